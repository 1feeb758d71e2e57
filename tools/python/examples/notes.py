"""Notes which are kept for as long as a session is."""

from datetime import datetime, timezone
from typing import NamedTuple

_notes = []


class Note(NamedTuple):
    at: datetime
    text: str


def add(text: str) -> int:
    """Keeps a note, and tells how many there are."""
    _notes.append(Note(datetime.now(timezone.utc), text))
    return len(_notes)


def search(word: str = "") -> list[Note]:
    """Finds the notes with a word in them, whatever its case."""
    return [note for note in _notes if word.lower() in note.text.lower()]
