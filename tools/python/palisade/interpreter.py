"""The two functions of `interpreter` in wit/python.wit, as text in and text out."""

import json
import random
import sys

from palisade import failure, script
from palisade.functions import ArgumentError

_is_awake = False


class Failed(Exception):
    """What was asked failed; the message is the answer."""


def describe(source):
    """What a script offers, as JSON."""
    try:
        _wake()
        return _text(script.load(source).describe())
    except BaseException as error:
        raise Failed(failure.line(error)) from None
    finally:
        _flush()


def call(source, function, arguments):
    """What a function of a script returns, as JSON."""
    try:
        _wake()
        return _text(script.load(source).call(function, _parsed(arguments)))
    except BaseException as error:
        raise Failed(_text(failure.document(error))) from None
    finally:
        _flush()


def _wake():
    """Makes up for what all instances have in common, being copies of one."""
    global _is_awake
    if not _is_awake:
        _is_awake = True
        random.seed()
        # It protects a server from its clients. Here each has limits of its own.
        sys.set_int_max_str_digits(0)


def _parsed(arguments):
    try:
        value = json.loads(arguments, parse_constant=_refuse)
    except ValueError as error:
        raise ArgumentError(f"the arguments are no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ArgumentError("the arguments are no object")
    return value


def _refuse(constant):
    raise ValueError(f"{constant} is written as a string")


def _text(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            # The script closed or replaced it, and what was called has its answer.
            pass
