"""Types with named fields: dataclasses, named tuples and typed dictionaries, and the parameters of a function."""

from collections.abc import Mapping

from palisade.mismatch import Mismatch, not_given, unexpected

# A field without a default.
MISSING = object()


class Field:
    """One member of an object."""

    def __init__(self, name, shape, *, required, default=MISSING, description=None):
        self.name, self.shape, self.required = name, shape, required
        self.default, self.description = default, description

    def schema(self):
        schema = self.shape.schema()
        if self.description:
            schema["description"] = self.description
        if self.default is not MISSING:
            try:
                schema["default"] = self.shape.give(self.default)
            except Mismatch:
                # It can be left out all the same.
                pass
        return schema


class Members:
    """An object with just these members, as a dict of them: the parameters of a function."""

    expected = "an object"

    def __init__(self, fields):
        self.fields = {field.name: field for field in fields}

    def schema(self):
        return {
            "type": "object",
            "properties": {name: field.schema() for name, field in self.fields.items()},
            "required": [name for name, field in self.fields.items() if field.required],
            "additionalProperties": False,
        }

    def take(self, value, exact=False):
        if not isinstance(value, dict):
            raise unexpected(self.expected, value)
        taken = {}
        for name, item in value.items():
            field = self.fields.get(name)
            if field is None:
                raise Mismatch(f"unknown, there is {', '.join(self.fields) or 'none'}").within(name)
            try:
                taken[name] = field.shape.take(item, exact)
            except Mismatch as error:
                raise error.within(name)
        for name, field in self.fields.items():
            if field.required and name not in value:
                raise Mismatch(f"missing, expected {field.shape.expected}").within(name)
        return taken


class Record(Members):
    """The same of a class. `make` makes its value of the dict, `read` takes it apart: `None` if it is another's."""

    def __init__(self, name, fields, make, read, description=None):
        super().__init__(fields)
        self.name, self.make, self.read, self.description = name, make, read, description

    def schema(self):
        schema = super().schema()
        return schema | {"description": self.description} if self.description else schema

    def take(self, value, exact=False):
        return self.make(super().take(value, exact))

    def give(self, value):
        members = self.read(value)
        if members is None:
            raise not_given(self.name, value)
        given = {}
        for name, item in members.items():
            field = self.fields.get(name)
            if field is None:
                raise Mismatch(f"{self.name} has no such field").within(str(name))
            try:
                given[name] = field.shape.give(item)
            except Mismatch as error:
                raise error.within(name)
        for name, field in self.fields.items():
            if field.required and name not in given:
                raise Mismatch("missing").within(name)
        return given


def attributes(cls, names):
    """Reads the values of a class with attributes."""

    def read(value):
        return {name: getattr(value, name) for name in names} if isinstance(value, cls) else None

    return read


def mapping(value):
    """Reads a dictionary."""
    return value if isinstance(value, Mapping) else None
