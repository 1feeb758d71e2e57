"""What an analyst does by hand: words of a text, working days, figures, and tables in files."""

import csv
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal


@dataclass
class Summary:
    """Figures of a list of numbers.

    Attributes:
        deviation: The standard deviation of a sample, null for fewer than two numbers.
    """

    count: int
    mean: float
    median: float
    deviation: float | None


class TableError(Exception):
    """A table is not as it should be."""


def keywords(text: str, limit: int = 10, ignore: list[str] | None = None) -> dict[str, int]:
    """Counts the words of a text, the most frequent first.

    Args:
        text: In any language.
        limit: How many words to return at most.
        ignore: Words which do not count, in lower case.
    """
    words = (word.lower() for word in re.findall(r"\w+", text))
    ignored = set(ignore or ())
    return dict(Counter(word for word in words if word not in ignored).most_common(limit))


def working_days(
    first: date, last: date, holidays: Annotated[set[date], "Days on which nobody works"] = frozenset()
) -> list[date]:
    """Lists the days from Monday to Friday between two days, both included."""
    if last < first:
        raise ValueError(f"{last} is before {first}")
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5 and day not in holidays]


def summarise(values: list[float]) -> Summary:
    """Tells count, mean, median and deviation of numbers.

    :param values: At least one.
    """
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Summary(len(values), statistics.fmean(values), statistics.median(values), deviation)


def read_table(path: Path, separator: Literal[",", ";", "\t"] = ",") -> list[dict[str, str]]:
    """Reads a table with a line of headings from a file.

    Args:
        path: A text file in UTF-8.
        separator: What stands between columns.

    Returns:
        A row for each line, with the headings as names.
    """
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=separator))


def column(path: Path, name: str) -> Summary:
    """Summarises the numbers in one column of a table.

    Args:
        path: A text file with commas between columns.
        name: The heading of the column.
    """
    rows = read_table(path)
    if rows and name not in rows[0]:
        raise TableError(f"no column {name!r} in {path}: there are {', '.join(rows[0])}")
    return summarise([float(row[name]) for row in rows])
