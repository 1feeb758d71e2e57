"""A script which is described and called while the component is made.

The interpreter notes in its code how often and with what it runs, and caches what it finds out about types. Done
beforehand, an instance need not do it, nor write to that memory.
"""

from palisade.failure import document, line
from palisade.script import forget, load

_ROUNDS = 20

_SOURCE = '''
"""All kinds of things which scripts have."""
import json
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

class Colour(Enum):
    RED = "red"
    BLUE = "blue"

@dataclass
class Item:
    """One of them."""
    name: str
    price: float = 1.5
    tags: list[str] = field(default_factory=list)
    colour: Colour = Colour.RED

class Point(NamedTuple):
    x: int
    y: int = 0

class Options(TypedDict, total=False):
    limit: int
    order: Literal["up", "down"]

class Wrong(Exception):
    pass

_WORD = re.compile(r"[a-z]+")

def total(items: list[Item], options: Options | None = None, note: Annotated[str, "Said with it"] = "") -> float:
    """Adds.

    Args:
        items: What is added.
        options: How.

    Returns:
        The sum.
    """
    return sum(item.price for item in items)

def words(text: str, limit: int = 10) -> dict[str, int]:
    """Counts words.

    :param text: What is read.
    """
    counts = {}
    for word in _WORD.findall(text):
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items())[:limit])

def move(point: Point, by: tuple[int, int], day: date | None = None) -> Point:
    return Point(point.x + by[0], point.y + by[1])

def anything(value: Any = None, raw: bytes = b"", more: set[str] = frozenset()):
    return {"value": value, "at": datetime(2025, 1, 31), "items": [Item("a"), Point(1)], "some": [1, 2.5, f"{value}"]}

def fail(how: str = "") -> None:
    raise Wrong(how)

def skipped(value):
    return value
'''

_CALLS = [
    ("total", {"items": [{"name": "a"}, {"name": "b", "price": 2, "tags": ["c"]}], "options": {"limit": 1}}),
    ("total", {"items": [{"name": 1}]}),
    ("words", {"text": "one two one", "limit": "2"}),
    ("move", {"point": {"x": 1}, "by": [1, 2], "day": "2025-01-31"}),
    ("anything", {"value": {"a": [1, None]}, "raw": "AAEC", "more": ["b"]}),
    ("fail", {"how": "now"}),
    ("absent", {}),
]


def rehearse():
    """Does all of it, some times."""
    for _ in range(_ROUNDS):
        load(_SOURCE).describe()
        for name, arguments in _CALLS:
            try:
                load(_SOURCE).call(name, arguments)
            except Exception as error:
                line(error)
                document(error)
        forget()
