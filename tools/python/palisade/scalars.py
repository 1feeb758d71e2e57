"""The types whose values are JSON scalars.

A shape is what is known of a type. It has

| member | is |
| --- | --- |
| `expected` | what belongs there, for messages |
| `schema()` | its JSON schema |
| `take(value, exact)` | the Python value of a JSON value; if `exact`, only of the form which is the type's own |
| `give(value)` | the JSON value of a Python value |
"""

import base64
import binascii
import json
import math
import re
from decimal import Decimal

from palisade.mismatch import Mismatch, not_given, unexpected

# Beyond this a reader that keeps numbers as doubles rounds.
MAX_EXACT = 2**53 - 1

_DIGITS = re.compile("-?[0-9]+")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Null:
    expected = "null"

    def schema(self):
        return {"type": "null"}

    def take(self, value, exact=False):
        if value is not None:
            raise unexpected(self.expected, value)
        return None

    def give(self, value):
        if value is not None:
            raise not_given("None", value)
        return None


class Boolean:
    expected = "a boolean"

    def schema(self):
        return {"type": "boolean"}

    def take(self, value, exact=False):
        if not isinstance(value, bool):
            raise unexpected(self.expected, value)
        return value

    def give(self, value):
        if not isinstance(value, bool):
            raise not_given(self.expected, value)
        return value


class Integer:
    expected = "an integer"

    def schema(self):
        return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}

    def take(self, value, exact=False):
        if type(value) is int:
            return value
        if not exact:
            if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT:
                return int(value)
            if isinstance(value, str) and _DIGITS.fullmatch(value):
                return int(value)
        raise unexpected(self.expected, value)

    def give(self, value):
        if not isinstance(value, int) or isinstance(value, bool):
            raise not_given(self.expected, value)
        return give_integer(value)


def give_integer(value):
    if -MAX_EXACT <= value <= MAX_EXACT:
        return value if type(value) is int else int(value)
    return str(int(value))


class Float:
    expected = "a number"

    def schema(self):
        return {"anyOf": [{"type": "number"}, {"type": "string", "enum": list(_NOT_FINITE)}]}

    def take(self, value, exact=False):
        if isinstance(value, float):
            return value
        if not exact:
            if type(value) is int:
                try:
                    return float(value)
                except OverflowError:
                    raise Mismatch("expected a number in the range of a float") from None
            if isinstance(value, str) and value in _NOT_FINITE:
                return _NOT_FINITE[value]
        raise unexpected(self.expected, value)

    def give(self, value):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise not_given(self.expected, value)
        try:
            return give_float(float(value))
        except OverflowError:
            raise Mismatch("the integer is beyond the range of a float") from None


def give_float(value):
    if math.isfinite(value):
        return float(value)
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


class String:
    expected = "a string"

    def schema(self):
        return {"type": "string"}

    def take(self, value, exact=False):
        if not isinstance(value, str):
            raise unexpected(self.expected, value)
        return value

    def give(self, value):
        if not isinstance(value, str):
            raise not_given(self.expected, value)
        return give_string(value)


def give_string(value):
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Mismatch("the string has surrogates, which are no characters") from None
    return value if type(value) is str else str.__str__(value)


class Bytes:
    expected = "a string in base64"

    def __init__(self, make=bytes):
        self.make = make

    def schema(self):
        return {"type": "string", "contentEncoding": "base64"}

    def take(self, value, exact=False):
        if not isinstance(value, str):
            raise unexpected(self.expected, value)
        try:
            return self.make(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            raise Mismatch("expected a string in base64, with its padding") from None

    def give(self, value):
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise not_given("bytes", value)
        return base64.b64encode(value).decode()


class Text:
    """A class whose values have a form as text, such as dates."""

    def __init__(self, cls, expected, read, write=str):
        self.cls, self.expected, self.read, self.write = cls, expected, read, write

    def schema(self):
        return {"type": "string", "description": self.expected}

    def take(self, value, exact=False):
        if not isinstance(value, str):
            raise unexpected(self.expected, value)
        try:
            return self.read(value)
        except (ValueError, ArithmeticError):
            raise Mismatch(f"expected {self.expected}") from None

    def give(self, value):
        if not isinstance(value, self.cls):
            raise not_given(f"a {self.cls.__name__}", value)
        return give_string(self.write(value))


class DecimalNumber(Text):
    """Takes numbers as well: whoever has no decimals writes `1.5`, and means just that."""

    def __init__(self):
        super().__init__(Decimal, "a decimal number, such as \"12.50\"", Decimal)

    def schema(self):
        return {"anyOf": [{"type": "string"}, {"type": "number"}], "description": self.expected}

    def take(self, value, exact=False):
        if type(value) in (int, float) and not exact:
            return Decimal(repr(value))
        return super().take(value, exact)


class Choice:
    """One of some values, each with its JSON scalar: a `Literal` or an `Enum`."""

    def __init__(self, values):
        self.values = values
        self.scalars = [scalar for scalar, _ in values]
        self.expected = "one of " + ", ".join(map(_quoted, self.scalars))

    def schema(self):
        kinds = {_type_name(scalar) for scalar in self.scalars}
        schema = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return schema | {"enum": self.scalars}

    def take(self, value, exact=False):
        for scalar, chosen in self.values:
            if same(scalar, value) or (not exact and type(value) is float and type(scalar) is int and scalar == value):
                return chosen
        if isinstance(value, (str, int, float)):
            raise Mismatch(f"expected {self.expected}")
        raise unexpected(self.expected, value)

    def give(self, value):
        for scalar, chosen in self.values:
            if same(chosen, value):
                return scalar
        raise not_given(self.expected, value)


def same(one, other):
    """Whether both are equal and of one type: `True` is not 1."""
    return type(one) is type(other) and one == other


def is_scalar(value):
    """Whether JSON has just this value."""
    if type(value) is int:
        return abs(value) <= MAX_EXACT
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (bool, str)


def _quoted(scalar):
    return json.dumps(scalar, ensure_ascii=False)


def _type_name(scalar):
    return {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}[type(scalar)]
