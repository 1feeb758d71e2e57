"""What is imported while the component is made, so that it costs nothing later.

There are no files of the standard library at run time: what is not imported here cannot be imported at all.
"""

import gc
import importlib
import pkgutil
import sys

_MODULES = """
abc argparse array ast asyncio atexit base64 binascii bisect builtins calendar cmath codecs codeop collections.abc
colorsys compression.zlib concurrent.futures configparser contextlib contextvars copy copyreg csv ctypes.util
dataclasses datetime decimal difflib dis email email.message email.mime.multipart email.mime.text email.parser
email.policy email.utils enum errno fileinput filecmp fnmatch fractions functools gc getopt gettext glob graphlib gzip
hashlib heapq hmac html html.entities html.parser http http.cookies importlib importlib.metadata importlib.resources
importlib.util inspect io ipaddress itertools json keyword linecache locale logging logging.handlers marshal math
mimetypes numbers operator optparse os pathlib pickle pkgutil platform plistlib pprint queue quopri random re reprlib
runpy sched secrets selectors shelve shlex shutil signal socket sqlite3 stat statistics string string.templatelib
stringprep struct subprocess symtable sys sysconfig tarfile tempfile textwrap threading time timeit token tokenize
tomllib traceback types typing unicodedata unittest unittest.mock urllib.error urllib.parse urllib.request uuid
warnings wave weakref xml.dom.minidom xml.etree.ElementTree xml.sax xml.sax.saxutils zipfile zlib zoneinfo
_pydecimal _pylong _strptime
""".split()


# Longer than any part of memory which is free after the imports.
_LARGEST_GAP = 4 << 20
# Small objects are kept apart by size, in steps of 8 bytes.
_GAPS = [1 << power for power in range(20, 8, -1)] + list(range(504, 0, -8))
_fillers = []


def load():
    """Imports all of it which this Python has."""
    for name in _MODULES + _codecs():
        try:
            importlib.import_module(name)
        except ImportError:
            # Some need what WebAssembly has not, some are of a newer Python.
            pass


def settle():
    """Leaves the memory so that instances change little of it: what an instance writes to, it needs a copy of."""
    # Nothing is imported any more but what is loaded: the folders of the build are not there at run time, and the code
    # of a tool is its file, whatever else lies in the sandbox.
    sys.path.clear()
    sys.path_importer_cache.clear()
    gc.collect()
    _fill_gaps()
    gc.freeze()


def _fill_gaps():
    """Takes up what is free between objects, so that new ones come to lie side by side after all others."""
    end = id(bytes(_LARGEST_GAP))
    for size in _GAPS:
        while True:
            filler = bytes(size)
            _fillers.append(filler)
            if id(filler) >= end:
                break


def _codecs():
    """A codec is imported when text in it is first met."""
    import encodings

    return [f"encodings.{module.name}" for module in pkgutil.iter_modules(encodings.__path__)]
