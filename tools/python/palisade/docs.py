"""What docstrings say: the prose, and what is said of each parameter and of the result.

Sections in the style of Google (`Args:`) and fields of reStructuredText (`:param x:`) are understood.
"""

import inspect
import re
from dataclasses import dataclass, field

_OF_PARAMETERS = {"args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "attributes"}
_OF_RESULT = {"returns", "return", "yields"}
_SECTION = re.compile(r"([A-Z][A-Za-z ]*):\s*")
# `name: text`, `name (type): text`, `*name: text`
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_FIELD = re.compile(r":(\w+)(?:\s+([^:]*?))?:\s*(.*)")
_FIELDS_OF_PARAMETERS = {"param", "parameter", "arg", "argument", "key", "keyword", "ivar", "var"}
_FIELDS_OF_RESULT = {"return", "returns"}
_FIELDS_OF_TYPES = {"type", "rtype", "vartype"}


@dataclass
class Docs:
    prose: str | None = None
    parameters: dict = field(default_factory=dict)
    result: str | None = None


def of_function(function):
    return parse(inspect.getdoc(function))


def of_class(cls):
    """Of a class, without what `dataclass` and `NamedTuple` write by themselves."""
    text = cls.__dict__.get("__doc__")
    if not isinstance(text, str) or text.startswith(f"{cls.__name__}("):
        return Docs()
    return parse(inspect.cleandoc(text))


def parse(text):
    docs = Docs()
    prose = []
    lines = text.splitlines() if isinstance(text, str) else []
    while lines:
        line = lines.pop(0)
        section = _SECTION.fullmatch(line)
        found = _FIELD.match(line)
        if section and section[1].lower() in _OF_PARAMETERS:
            docs.parameters |= _entries(_block(lines))
        elif section and section[1].lower() in _OF_RESULT:
            docs.result = _joined(_block(lines))
        elif found and _take_field(docs, found, lines):
            pass
        else:
            prose.append(line)
    docs.prose = re.sub(r"\n{3,}", "\n\n", "\n".join(prose)).strip() or None
    return docs


def _take_field(docs, found, lines):
    """Takes a field of reStructuredText; `False` when it is none of those which are known."""
    kind, name, text = found.groups()
    if kind in _FIELDS_OF_PARAMETERS and name:
        docs.parameters[name.split()[-1]] = _joined([text, *_block(lines)])
    elif kind in _FIELDS_OF_RESULT:
        docs.result = _joined([text, *_block(lines)])
    elif kind in _FIELDS_OF_TYPES:
        _block(lines)
    else:
        return False
    return True


def _block(lines):
    """Takes the lines which belong to what has just begun: those further in."""
    taken = []
    while lines and (not lines[0].strip() or lines[0][0].isspace()):
        taken.append(lines.pop(0))
    return taken


def _entries(lines):
    """The names with what is said of them; a line further in than the first goes on with the one before."""
    indents = [_indent(line) for line in lines if line.strip()]
    entries, name = {}, None
    for line in lines:
        entry = _ENTRY.fullmatch(line.strip()) if _indent(line) == min(indents, default=0) else None
        if entry:
            name = entry[1]
            entries[name] = [entry[2]]
        elif name:
            entries[name].append(line)
    return {name: text for name, said in entries.items() if (text := _joined(said))}


def _indent(line):
    return len(line) - len(line.lstrip())


def _joined(lines):
    return " ".join(" ".join(lines).split()) or None
