"""Values of each type, from JSON and back."""

import datetime
import enum
import json
import math
import pathlib
import typing
import unittest
import uuid
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

from palisade.annotations import Annotations
from palisade.mismatch import Mismatch, Unsupported


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Twice(enum.Enum):
    ONE = 1
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Item:
    name: str
    count: int = 1
    tags: list[str] = field(default_factory=list)
    size: int = field(init=False, default=0)


class Point(NamedTuple):
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    limit: int


class Entry(TypedDict):
    name: str
    note: NotRequired[str]


@dataclass
class Tree:
    children: list["Tree"]


def argument(annotation):
    return Annotations(of_arguments=True).shape(annotation)


def result(annotation):
    return Annotations(of_arguments=False).shape(annotation)


NOON = datetime.datetime(2025, 1, 31, 12, tzinfo=datetime.timezone.utc)
INTEGER = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}


class BothWays(unittest.TestCase):
    def test_json_and_python_mean_each_other(self):
        for annotation, value, given in [
            (str, "ä", "ä"),
            (int, 2**53 - 1, 2**53 - 1),
            (int, 2**53, "9007199254740992"),
            (int, -(2**53), "-9007199254740992"),
            (int, 10**30, "1" + "0" * 30),
            (float, 1.5, 1.5),
            (float, math.inf, "Infinity"),
            (bool, True, True),
            (None, None, None),
            (bytes, b"\0\xff", "AP8="),
            (bytearray, bytearray(b"\0"), "AA=="),
            (list[int], [1, 2], [1, 2]),
            (list, [1, "a"], [1, "a"]),
            (set[str], {"b", "a"}, ["a", "b"]),
            (frozenset[int], frozenset([2, 1]), [1, 2]),
            (deque[int], deque([1]), [1]),
            (tuple[int, str], (1, "a"), [1, "a"]),
            (tuple[int, ...], (1, 2, 3), [1, 2, 3]),
            (tuple[()], (), []),
            (tuple, (1, "a"), [1, "a"]),
            (dict[str, int], {"a": 1}, {"a": 1}),
            (dict, {"a": [1]}, {"a": [1]}),
            (dict[int, str], {1: "a"}, [[1, "a"]]),
            (Counter[str], Counter("aab"), {"a": 2, "b": 1}),
            (OrderedDict[str, int], OrderedDict(a=1), {"a": 1}),
            (dict[Literal["a", "b"], int], {"a": 1}, {"a": 1}),
            (int | None, None, None),
            (typing.Optional[str], "a", "a"),
            (int | str, "12", "12"),
            (str | int, 12, 12),
            (int | float, 1.5, 1.5),
            (float | int, 1, 1),
            (list[int] | dict[str, int], {"a": 1}, {"a": 1}),
            (Literal["a", 1, None], 1, 1),
            (Literal[Colour.RED], Colour.RED, "red"),
            (Colour, Colour.BLUE, "blue"),
            (Level, Level.LOW, 1),
            (Twice, Twice.PAIR, "PAIR"),
            (Item, Item("a"), {"name": "a", "count": 1, "tags": [], "size": 0}),
            (Point, Point(1), {"x": 1, "y": 0}),
            (Options, {"limit": 1}, {"limit": 1}),
            (Entry, {"name": "a"}, {"name": "a"}),
            (datetime.datetime, NOON, "2025-01-31T12:00:00+00:00"),
            (datetime.date, datetime.date(2025, 1, 31), "2025-01-31"),
            (datetime.time, datetime.time(12, 30), "12:30:00"),
            (Decimal, Decimal("12.50"), "12.50"),
            (uuid.UUID, uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
            (pathlib.Path, pathlib.Path("/a/b"), "/a/b"),
            (Annotated[int, "how many"], 3, 3),
            (typing.NewType("Id", int), 3, 3),
            (Any, {"a": None}, {"a": None}),
            (object, [1], [1]),
        ]:
            with self.subTest(annotation=annotation, value=value):
                self.assertEqual(result(annotation).give(value), given)
                if annotation is not Item:
                    taken = argument(annotation).take(given)
                    self.assertEqual(taken, value)
                    self.assertIs(type(taken), type(value))
                json.dumps(argument(annotation).schema(), allow_nan=False)

    def test_other_forms_of_arguments_are_taken(self):
        for annotation, given, value in [
            (int, 1.0, 1),
            (int, "-007", -7),
            (int, "9" * 3000, int("9" * 3000)),
            (int, 10**30, 10**30),
            (float, 3, 3.0),
            (float, "-Infinity", -math.inf),
            (Level, 1.0, Level.LOW),
            (Decimal, 1.1, Decimal("1.1")),
            (Decimal, 3, Decimal(3)),
            (datetime.datetime, "2025-01-31T12:00:00", datetime.datetime(2025, 1, 31, 12)),
            (datetime.datetime, "2025-01-31T12:00:00Z", NOON),
            (int | None, "12", 12),
            (Item, {"name": "a", "count": "2"}, Item("a", 2)),
        ]:
            with self.subTest(annotation=annotation, given=given):
                self.assertEqual(argument(annotation).take(given), value)

    def test_nan_is_a_name(self):
        self.assertEqual(result(float).give(math.nan), "NaN")
        self.assertTrue(math.isnan(argument(float).take("NaN")))


class Refused(unittest.TestCase):
    def test_arguments_of_another_type_are_refused_with_their_place(self):
        for annotation, given, message in [
            (int, "x", "$: expected an integer, not a string"),
            (int, True, "$: expected an integer, not a boolean"),
            (int, 1.5, "$: expected an integer, not a number"),
            (int, 2.0**60, "$: expected an integer, not a number"),
            (int, "١", "$: expected an integer, not a string"),
            (float, True, "$: expected a number, not a boolean"),
            (float, 10**400, "$: expected a number in the range of a float"),
            (bool, 1, "$: expected a boolean, not an integer"),
            (str, None, "$: expected a string, not null"),
            (bytes, "?", "$: expected a string in base64, with its padding"),
            (list[int], [1, None], "$[1]: expected an integer, not null"),
            (dict[str, int], {"a b": "x"}, '$["a b"]: expected an integer, not a string'),
            (tuple[int, int], [1], "$: expected an array of 2, not of 1"),
            (set[Any], [[]], "$: "),
            (Literal[1], True, "$: expected one of 1"),
            (Colour, "green", '$: expected one of "red", "blue"'),
            (Item, {}, "$.name: missing, expected a string"),
            (Item, {"name": "a", "size": 1}, "$.size: unknown, there is name, count, tags"),
            (Item, {"name": "a", "tags": [1]}, "$.tags[0]: expected a string, not an integer"),
            (Item | None, {"name": 1}, "$.name: expected a string, not an integer"),
            (int | bool, "x", "$: expected an integer or a boolean, not a string"),
            (datetime.date, "31.1.2025", "$: expected a date, such as 2025-01-31"),
        ]:
            with self.subTest(annotation=annotation, given=given):
                with self.assertRaises(Mismatch) as caught:
                    argument(annotation).take(given)
                self.assertTrue(str(caught.exception).startswith(message), str(caught.exception))

    def test_results_which_are_no_json_are_refused_with_their_place(self):
        cyclic = {}
        cyclic["a"] = [cyclic]
        deep = []
        for _ in range(200):
            deep = [deep]
        for annotation, value, message in [
            (Any, {"items": [1, 2, 3, object()]}, "$.items[3]: a value of type object cannot be given as JSON"),
            (Any, cyclic, "$.a[0]: the value holds itself"),
            (Any, deep, "$" + "[0]" * 100 + ": nested deeper than 100"),
            (Any, {(1, 2): 3}, "$: a key is a value of type tuple, which cannot be the name of a member"),
            (Any, {1: 2, "1": 3}, '$["1"]: two keys have this name'),
            (Any, ["\ud800"], "$[0]: the string has surrogates, which are no characters"),
            (int, True, "$: expected an integer, not a value of type bool"),
            (str, None, "$: expected a string, not None"),
            (None, 1, "$: expected None, not a value of type int"),
            (list[int], [1, "a"], "$[1]: expected an integer, not a value of type str"),
            (list[str], "abc", "$: expected a list, not a value of type str"),
            (Item, {"name": "a"}, "$: expected Item, not a value of type dict"),
            (Entry, {"note": "a"}, "$.name: missing"),
            (Options, {"other": 1}, "$.other: Options has no such field"),
            (datetime.date, datetime.datetime(2025, 1, 1), "$: expected a date, not a datetime"),
        ]:
            with self.subTest(annotation=annotation, message=message):
                with self.assertRaises(Mismatch) as caught:
                    result(annotation).give(value)
                self.assertEqual(str(caught.exception), message)

    def test_types_which_are_not_supported_say_so(self):
        for annotation, reason in [
            (complex, "the type complex is not supported"),
            (typing.Callable[[int], int], "the type Callable[[int], int] is not supported"),
            (Tree, "Tree.children: Tree holds itself, and its schema would have no end"),
            (typing.TypeVar("T"), "the type variable ~T is not supported"),
            (list[complex], "the type complex is not supported"),
            (enum.Flag("Flags", "A B"), "Flags is a Flag or has no members, which is not supported"),
            (Literal[b"a"], "a Literal of b'a' is not supported"),
        ]:
            with self.subTest(annotation=annotation):
                with self.assertRaises(Unsupported) as caught:
                    argument(annotation)
                self.assertIn(reason.removeprefix("the type "), str(caught.exception))


class Schemas(unittest.TestCase):
    def test_types_become_schemas(self):
        for annotation, schema in [
            (int, INTEGER),
            (bytes, {"type": "string", "contentEncoding": "base64"}),
            (float, {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}),
            (
                tuple[str, bool],
                {
                    "type": "array",
                    "prefixItems": [{"type": "string"}, {"type": "boolean"}],
                    "minItems": 2,
                    "maxItems": 2,
                },
            ),
            (int | None, {"anyOf": [*INTEGER["anyOf"], {"type": "null"}]}),
            (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
            (Literal["a", 1], {"enum": ["a", 1]}),
            (list[Annotated[str, "a name"]], {"type": "array", "items": {"type": "string", "description": "a name"}}),
            (dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
            (Any, {}),
        ]:
            with self.subTest(annotation=annotation):
                self.assertEqual(argument(annotation).schema(), schema)

    def test_fields_with_defaults_may_be_left_out_of_arguments_and_are_in_results(self):
        taken = argument(Item).schema()
        self.assertEqual(taken["required"], ["name"])
        self.assertEqual(taken["properties"]["count"], INTEGER | {"default": 1})
        self.assertNotIn("size", taken["properties"])
        given = result(Item).schema()
        self.assertEqual(given["required"], ["name", "count", "tags", "size"])
        self.assertEqual(result(Options).schema()["required"], [])


if __name__ == "__main__":
    unittest.main()
