"""The component: `interpreter` of wit/python.wit, in Python."""

import json
import random
import sys

from componentize_py_types import Err

from palisade import failure, preload, script

preload.load()
preload.settle()


class Interpreter:
    """What the component exports. componentize-py finds it by its name."""

    _is_awake = False

    def describe(self, source):
        try:
            self._wake()
            return _text(script.load(source).describe())
        except BaseException as error:
            raise Err(failure.line(error)) from None
        finally:
            _flush()

    def call(self, source, function, arguments):
        try:
            self._wake()
            return _text(script.load(source).call(function, _parsed(arguments)))
        except BaseException as error:
            raise Err(_text(failure.document(error))) from None
        finally:
            _flush()

    @classmethod
    def _wake(cls):
        """Makes up for what all instances have in common, being copies of one."""
        if not cls._is_awake:
            cls._is_awake = True
            random.seed()
            preload.forget_paths()
            # What protects a server from a client is in a sandbox the limit of that.
            sys.set_int_max_str_digits(0)


def _parsed(arguments):
    value = json.loads(arguments)
    if not isinstance(value, dict):
        raise TypeError("the arguments are no JSON object")
    return value


def _text(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # It is closed or full, and what was called has its answer.
            pass
