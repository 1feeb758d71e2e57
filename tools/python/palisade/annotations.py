"""What an annotation says of a value: the shape of its JSON."""

import collections
import dataclasses
import datetime
import enum
import inspect
import pathlib
import types
import typing
import uuid
from collections import abc
from decimal import Decimal

from palisade import docs
from palisade.anything import Anything
from palisade.containers import Array, Dictionary, Pairs, Tuple, Union
from palisade.mismatch import Mismatch, Unsupported
from palisade.records import MISSING, Field, Record, attributes, mapping
from palisade.scalars import Boolean, Bytes, Choice, DecimalNumber, Float, Integer, Null, String, Text, is_scalar, same


def _only_date(value):
    if isinstance(value, datetime.datetime):
        raise Mismatch("expected a date, not a datetime")
    return value.isoformat()


_MOMENT = "a date and time in ISO 8601, such as 2025-01-31T12:00:00Z"
_SIMPLE = {
    str: String(),
    int: Integer(),
    float: Float(),
    bool: Boolean(),
    bytes: Bytes(),
    bytearray: Bytes(bytearray),
    None: Null(),
    type(None): Null(),
    typing.Any: Anything(),
    object: Anything(),
    typing.LiteralString: String(),
    Decimal: DecimalNumber(),
    uuid.UUID: Text(uuid.UUID, "a UUID", uuid.UUID),
    datetime.datetime: Text(
        datetime.datetime, _MOMENT, datetime.datetime.fromisoformat, datetime.datetime.isoformat
    ),
    datetime.date: Text(datetime.date, "a date, such as 2025-01-31", datetime.date.fromisoformat, _only_date),
    datetime.time: Text(
        datetime.time, "a time, such as 12:30:00", datetime.time.fromisoformat, datetime.time.isoformat
    ),
}
_PATHS = (pathlib.PurePath, pathlib.PurePosixPath, pathlib.Path, pathlib.PosixPath)
_SIMPLE |= {cls: Text(cls, "a path", cls) for cls in _PATHS}

# Each with what makes it of a list, or of a dict.
_ARRAYS = dict.fromkeys(
    (list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable, abc.Reversible, abc.ValuesView), list
)
_ARRAYS |= dict.fromkeys((set, abc.Set, abc.MutableSet, abc.KeysView), set)
_ARRAYS |= dict.fromkeys((abc.Iterator, abc.Generator), iter)
_ARRAYS |= {frozenset: frozenset, collections.deque: collections.deque}
_MAPPINGS = dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), dict)
_MAPPINGS |= {
    collections.OrderedDict: collections.OrderedDict,
    collections.defaultdict: lambda members: collections.defaultdict(None, members),
}

_OPTIONALITY = {typing.Required: True, typing.NotRequired: False}
_QUALIFIERS = {typing.Required, typing.NotRequired, typing.Final, getattr(typing, "ReadOnly", None)}
_TypeAlias = getattr(typing, "TypeAliasType", ())


class Described:
    """Another shape, of which more is said."""

    def __init__(self, shape, description):
        self.shape, self.description = shape, description
        self.expected, self.take, self.give = shape.expected, shape.take, shape.give

    def schema(self):
        return self.shape.schema() | {"description": self.description}


class Annotations:
    """Makes shapes. Those of arguments and of results differ in the fields which a class fills in itself."""

    def __init__(self, *, of_arguments):
        self._of_arguments = of_arguments
        self._open = []

    def shape(self, annotation):
        """The shape of what is annotated so. Raises `Unsupported`."""
        if _is_hashable(annotation) and annotation in _SIMPLE:
            return _SIMPLE[annotation]
        if typing.get_origin(annotation) is typing.Annotated:
            inner, *notes = typing.get_args(annotation)
            text = next((note for note in notes if isinstance(note, str)), None)
            shape = self.shape(inner)
            return Described(shape, text) if text else shape
        if isinstance(annotation, typing.NewType):
            return self.shape(annotation.__supertype__)
        if isinstance(annotation, _TypeAlias):
            return self._guarded(annotation, lambda: self.shape(annotation.__value__))
        return self._generic(annotation) or self._class(annotation) or _refuse(annotation)

    def _generic(self, annotation):
        origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
        if origin in (typing.Union, types.UnionType):
            return Union([self.shape(argument) for argument in arguments])
        if origin is typing.Literal:
            return Choice([_literal(value) for value in arguments])
        if origin in _QUALIFIERS and arguments:
            return self.shape(arguments[0])
        if not isinstance(origin, type):
            return None
        if origin is tuple:
            return self._tuple(annotation, arguments)
        if origin in _ARRAYS:
            item = self.shape(arguments[0] if arguments else typing.Any)
            return Array(item, _ARRAYS[origin])
        if origin is collections.Counter:
            return self._mapping(arguments[0] if arguments else str, int, collections.Counter)
        if origin in _MAPPINGS:
            key, item = arguments or (str, typing.Any)
            return self._mapping(key, item, _MAPPINGS[origin])
        return None

    def _tuple(self, annotation, arguments):
        if not arguments and annotation in (tuple, typing.Tuple):
            return Array(Anything(), tuple)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return Array(self.shape(arguments[0]), tuple)
        return Tuple([self.shape(argument) for argument in arguments])

    def _mapping(self, key, item, make):
        key, item = self.shape(key), self.shape(item)
        if isinstance(key, Anything):
            key = String()
        named = isinstance(key, String) or (isinstance(key, Choice) and key.schema().get("type") == "string")
        return (Dictionary if named else Pairs)(key, item, make)

    def _class(self, annotation):
        if not isinstance(annotation, type):
            return None
        if typing.is_typeddict(annotation):
            return self._guarded(annotation, lambda: self._typed_dict(annotation))
        if issubclass(annotation, enum.Enum):
            return _enum(annotation)
        if dataclasses.is_dataclass(annotation):
            return self._guarded(annotation, lambda: self._dataclass(annotation))
        if issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
            return self._guarded(annotation, lambda: self._named_tuple(annotation))
        return None

    def _guarded(self, cls, make):
        if cls in self._open:
            raise Unsupported(f"{cls.__name__} holds itself, and its schema would have no end")
        self._open.append(cls)
        try:
            return make()
        finally:
            self._open.pop()

    def _dataclass(self, cls):
        fields = dataclasses.fields(cls)
        hints = evaluated(cls)
        if self._of_arguments:
            has_more = any(isinstance(hint, dataclasses.InitVar) for hint in hints.values())
            if has_more or not cls.__dataclass_params__.init:
                raise Unsupported(f"{cls.__name__} is made in a way of its own (init=False or InitVar)")
            fields = [field for field in fields if field.init]
        names = [field.name for field in fields]
        defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
        optional = {field.name for field in fields if field.default_factory is not dataclasses.MISSING}
        fields = self._fields(cls, {name: hints[name] for name in names}, defaults, optional | defaults.keys())
        return _record(cls, fields, lambda members: cls(**members), attributes(cls, names))

    def _named_tuple(self, cls):
        hints = evaluated(cls)
        hints = {name: hints.get(name, typing.Any) for name in cls._fields}
        defaults = cls._field_defaults
        fields = self._fields(cls, hints, defaults, defaults.keys())
        return _record(cls, fields, lambda members: cls(**members), attributes(cls, cls._fields))

    def _typed_dict(self, cls):
        hints = evaluated(cls)
        required = {name: name in cls.__required_keys__ for name in hints}
        # Where annotations are text, the class could not see these.
        required |= {name: _OPTIONALITY.get(typing.get_origin(hint), required[name]) for name, hint in hints.items()}
        fields = self._fields(cls, hints, {}, {name for name in hints if not required[name]}, always_there=False)
        return _record(cls, fields, dict, mapping)

    def _fields(self, cls, hints, defaults, optional, always_there=True):
        """The fields of a class; those of its values are all there, whether they have defaults or not."""
        said = docs.of_class(cls)
        filled = not self._of_arguments and always_there
        fields = []
        for name, hint in hints.items():
            try:
                shape = self.shape(hint)
            except Unsupported as error:
                raise Unsupported(f"{cls.__name__}.{name}: {error}") from None
            fields.append(
                Field(
                    name,
                    shape,
                    required=filled or name not in optional,
                    default=MISSING if filled else defaults.get(name, MISSING),
                    description=said.parameters.get(name),
                )
            )
        return fields


def _record(cls, fields, make, read):
    return Record(cls.__name__, fields, make, read, docs.of_class(cls).prose)


def evaluated(annotated):
    """The annotations of a function or a class. Raises `Unsupported` where they cannot be evaluated."""
    try:
        return typing.get_type_hints(annotated, include_extras=True)
    except Exception as error:
        name = annotated.__name__
        raise Unsupported(f"the annotations of {name} cannot be evaluated: {type(error).__name__}: {error}") from None


def _literal(value):
    if isinstance(value, enum.Enum):
        return next(pair for pair in _enum(type(value)).values if pair[1] is value)
    if not is_scalar(value):
        raise Unsupported(f"a Literal of {value!r} is not supported")
    return value, value


def _enum(cls):
    """By value where all values are JSON scalars, else by name."""
    members = list(cls)
    if issubclass(cls, enum.Flag) or not members:
        raise Unsupported(f"{cls.__name__} is a Flag or has no members, which is not supported")
    values = [member.value for member in members]
    if not all(map(is_scalar, values)) or _has_twins(values):
        values = [member.name for member in members]
    return Choice(list(zip(values, members)))


def _has_twins(values):
    return any(same(one, other) for index, one in enumerate(values) for other in values[:index])


def _is_hashable(annotation):
    try:
        hash(annotation)
    except TypeError:
        return False
    return True


def _refuse(annotation):
    if isinstance(annotation, typing.TypeVar):
        raise Unsupported(f"the type variable {annotation} is not supported")
    # As `palisade.script` calls the module of one.
    if isinstance(annotation, type) and annotation.__module__ == "script":
        raise Unsupported(f"the class {annotation.__qualname__} is not supported: make it a dataclass")
    raise Unsupported(f"the type {inspect.formatannotation(annotation)} is not supported")
