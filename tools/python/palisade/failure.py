"""Exceptions, told as text or as JSON. Telling of one never raises another."""

import traceback

from palisade.script import FILE

_MAX_MESSAGE = 4 << 10
_MAX_TRACEBACK = 16 << 10
# Of a recursion which went too far, both ends tell enough.
_FIRST_FRAMES, _LAST_FRAMES = 10, 40


def line(error):
    """One line: the type, what it says, and where in the script."""
    numbers = [number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == FILE]
    where = f" ({FILE}, line {numbers[-1]})" if numbers else ""
    return f"{_name(error)}: {_message(error)}{where}{_hint(error)}"


def document(error):
    """Type, message and traceback, of the script's own frames only."""
    return {"type": _name(error), "message": _message(error), "traceback": _traceback(error)}


def _hint(error):
    """What to do about an error of a script which is made elsewhere, and to be run here."""
    if isinstance(error, ModuleNotFoundError):
        return "; of modules there are most of the standard library, and no others"
    if isinstance(error, FileNotFoundError):
        return "; a script is loaded without files, and its functions have those of the sandbox"
    return ""


def _name(error):
    return _printable(type(error).__qualname__)


def _message(error):
    try:
        text = _syntax(error) if isinstance(error, SyntaxError) else str(error)
    except BaseException:
        text = "(what the exception says cannot be told)"
    return _cut(_printable(text), _MAX_MESSAGE)


def _syntax(error):
    if error.filename != FILE or error.lineno is None:
        return str(error)
    code = (error.text or "").strip()
    return f"{error.msg} ({FILE}, line {error.lineno})" + (f": {code}" if code else "")


def _traceback(error):
    try:
        # No line is looked up before the frames of others are gone: those have no files here.
        told = traceback.TracebackException(type(error), error, error.__traceback__, lookup_lines=False, compact=True)
        if not _keep_own(told, set()) and not isinstance(error, SyntaxError):
            return ""
        return _cut(_printable("".join(told.format())), _MAX_TRACEBACK)
    except BaseException:
        return ""


def _keep_own(told, seen):
    """Removes the frames of others, and tells whether any is left."""
    if told is None or id(told) in seen:
        return False
    seen.add(id(told))
    frames = [frame for frame in told.stack if frame.filename == FILE]
    if len(frames) > _FIRST_FRAMES + _LAST_FRAMES:
        frames = frames[:_FIRST_FRAMES] + frames[-_LAST_FRAMES:]
    told.stack[:] = frames
    others = [told.__cause__, told.__context__, *(told.exceptions or [])]
    return any([bool(frames), *(_keep_own(other, seen) for other in others)])


def _cut(text, limit):
    """At most `limit` bytes of `text`, without its middle when it is longer."""
    data = text.encode()
    if len(data) <= limit:
        return text
    half = limit // 2 - 8
    return data[:half].decode(errors="ignore") + "\n[...]\n" + data[-half:].decode(errors="ignore")


def _printable(text):
    """Text without surrogates, which are no characters."""
    return text.encode(errors="backslashreplace").decode()
