"""Where in a value something is wrong, and what."""

import json

_JSON_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


class Mismatch(Exception):
    """A value is not of its type. Its place is put together while the exception leaves the value."""

    def __init__(self, message):
        super().__init__(message)
        self.message = message
        self.steps = []

    def within(self, step):
        """The same, seen from outside: `step` is a key or an index of what holds the place so far."""
        self.steps.append(step)
        return self

    def __str__(self):
        return f"{place(reversed(self.steps))}: {self.message}"


class Unsupported(Exception):
    """A type cannot be given as JSON."""


def place(steps):
    """A path as `$.items[3]["a b"]`."""
    text = "$"
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}"
        else:
            text += f"[{json.dumps(step)}]"
    return text


def unexpected(expected, value):
    """The JSON `value` stands where `expected` belongs."""
    return Mismatch(f"expected {expected}, not {_JSON_NAMES[type(value)]}")


def not_given(expected, value):
    """A script gave `value` where `expected` belongs."""
    return Mismatch(f"expected {expected}, not {kind(value)}")


def kind(value):
    """A value of a script, for messages."""
    return "None" if value is None else f"a value of type {type(value).__qualname__}"
