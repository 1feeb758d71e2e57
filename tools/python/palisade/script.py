"""A Python file, loaded."""

import linecache
import sys
import types

from palisade.functions import Function, is_offered
from palisade.mismatch import Unsupported

NAME = "script"
FILE = "script.py"

_loaded = {}


class Script:
    """A module made of a source. What it keeps in globals stays for later calls."""

    def __init__(self, source):
        self._source = source
        self._module = types.ModuleType(NAME)
        self._module.__file__ = FILE
        self._functions = {}
        self.enter()
        code = compile(source, FILE, "exec", dont_inherit=True)
        exec(code, self._module.__dict__)

    def enter(self):
        """Lets the script be the one which is found by name: by tracebacks, dataclasses and annotations."""
        sys.modules[NAME] = self._module
        # Without a time of its own, the entry counts as no file on disk.
        linecache.cache[FILE] = (len(self._source), None, self._source.splitlines(keepends=True), FILE)

    def describe(self):
        doc = self._module.__doc__
        described = {"docs": doc.strip() or None if isinstance(doc, str) else None, "functions": [], "skipped": []}
        for name in sorted(self._names()):
            try:
                described["functions"].append(self._function(name).describe())
            except Unsupported as error:
                described["skipped"].append({"name": name, "reason": str(error)})
        return described

    def call(self, name, arguments):
        """Calls a function with JSON values; `LookupError` where there is none."""
        if name not in self._names():
            raise LookupError(f'the script offers no function "{name}"')
        try:
            function = self._function(name)
        except Unsupported as error:
            raise LookupError(f'function "{name}" is not offered: {error}') from None
        return function.call(arguments)

    def _names(self):
        return [name for name, value in vars(self._module).items() if is_offered(name, value, NAME)]

    def _function(self, name):
        if name not in self._functions:
            self._functions[name] = Function(name, getattr(self._module, name))
        return self._functions[name]


def load(source):
    """The script of this source: made at the first time, and then kept."""
    script = _loaded.get(source)
    if script is None:
        script = _loaded[source] = Script(source)
    script.enter()
    return script


def forget():
    """Lets go of all scripts."""
    _loaded.clear()
    sys.modules.pop(NAME, None)
    linecache.cache.pop(FILE, None)
