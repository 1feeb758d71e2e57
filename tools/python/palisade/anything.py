"""Values of which nothing is known beforehand."""

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections import deque
from collections.abc import Iterator, KeysView, Mapping, Set, ValuesView

from palisade.containers import in_order
from palisade.mismatch import Mismatch, kind
from palisade.scalars import Bytes, give_float, give_integer, give_string

# A reader of JSON commonly stops at 128.
_MAX_DEPTH = 100

_BYTES = (bytes, bytearray, memoryview)
_ARRAYS = (list, tuple, Set, deque, KeysView, ValuesView, Iterator)
_TEXTS = (decimal.Decimal, pathlib.PurePath, uuid.UUID)
_DATES = (datetime.date, datetime.time)

# What most values are, and the quickest to tell.
_SCALARS = {
    str: give_string,
    int: give_integer,
    float: give_float,
    bool: lambda value: value,
    type(None): lambda value: None,
}


class Anything:
    """Takes all of JSON, and gives what has an obvious form in it."""

    expected = "anything"

    def schema(self):
        return {}

    def take(self, value, exact=False):
        return value

    def give(self, value):
        return _give(value, [])


def _give(value, outer):
    scalar = _SCALARS.get(type(value))
    if scalar:
        return scalar(value)
    if isinstance(value, enum.Enum):
        return _give(value.value, outer)
    if isinstance(value, str):
        return give_string(value)
    if isinstance(value, int):
        return give_integer(value)
    if isinstance(value, float):
        return give_float(value)
    if isinstance(value, _BYTES):
        return Bytes().give(value)
    if isinstance(value, _DATES):
        return value.isoformat()
    if isinstance(value, _TEXTS):
        return give_string(str(value))
    items = _items(value)
    if items is None:
        raise Mismatch(f"{kind(value)} cannot be given as JSON")
    return _give_all(value, items, outer)


def _items(value):
    """The pairs or items of a container, `None` for what is no container."""
    if isinstance(value, Mapping):
        return value.items()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return zip(value._fields, value)
    return in_order(value) if isinstance(value, _ARRAYS) else None


def _give_all(value, items, outer):
    if any(value is one for one in outer):
        raise Mismatch("the value holds itself")
    if len(outer) == _MAX_DEPTH:
        raise Mismatch(f"nested deeper than {_MAX_DEPTH}")
    outer.append(value)
    given = _array(items, outer) if _is_array(value) else _object(items, outer)
    outer.pop()
    return given


def _is_array(value):
    return isinstance(value, _ARRAYS) and not hasattr(value, "_fields")


def _array(items, outer):
    given = []
    for index, item in enumerate(items):
        try:
            given.append(_give(item, outer))
        except Mismatch as error:
            raise error.within(index)
    return given


def _object(items, outer):
    given = {}
    for key, item in items:
        name = _name(key)
        if name in given:
            raise Mismatch("two keys have this name").within(name)
        try:
            given[name] = _give(item, outer)
        except Mismatch as error:
            raise error.within(name)
    return given


def _name(key):
    """A key as the name of a member: a string, or a whole number in digits."""
    if isinstance(key, enum.Enum):
        return _name(key.value)
    if isinstance(key, str):
        return give_string(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))
    if isinstance(key, _DATES):
        return key.isoformat()
    if isinstance(key, _TEXTS):
        return str(key)
    raise Mismatch(f"a key is {kind(key)}, which cannot be the name of a member")
