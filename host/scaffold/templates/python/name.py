"""Greets people, and counts words."""

import re
from collections import Counter
from dataclasses import dataclass


@dataclass
class Word:
    """A word of a text."""

    text: str
    count: int


def greet(name: str, times: int = 1) -> str:
    """Greets someone: once, or as often as `times` says, which is 1 to 100."""
    if not 1 <= times <= 100:
        raise ValueError(f"cannot greet {times} times")
    return " ".join([f"Hello, {name}!"] * times)


def count_words(text: str) -> list[Word]:
    """Counts the words of a text, which white space is between, in the order in which they first appear."""
    words = re.findall(r"[^ \t\n\f\r]+", text)
    return [Word(word, count) for word, count in Counter(words).items()]
