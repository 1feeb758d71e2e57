"""The types whose values hold values of other types. `palisade.scalars` says what a shape is."""

from collections.abc import Iterable, Mapping, Set

from palisade.mismatch import Mismatch, not_given, unexpected


class Array:
    """Any number of items. `make` makes the container of a list of them."""

    expected = "an array"

    def __init__(self, item, make=list):
        self.item, self.make = item, make

    def schema(self):
        return {"type": "array", "items": self.item.schema()}

    def take(self, value, exact=False):
        if not isinstance(value, list):
            raise unexpected(self.expected, value)
        taken = _each(value, lambda item: self.item.take(item, exact))
        try:
            return self.make(taken)
        except TypeError as error:
            # A set, of items which cannot be hashed.
            raise Mismatch(str(error)) from None

    def give(self, value):
        if not isinstance(value, Iterable) or isinstance(value, (str, bytes, bytearray, memoryview, Mapping)):
            raise not_given("a list", value)
        return _each(in_order(value), self.item.give)


class Tuple:
    """A tuple of fixed length."""

    def __init__(self, items):
        self.items = items
        self.expected = f"an array of {len(items)}"

    def schema(self):
        length = len(self.items)
        schemas = [item.schema() for item in self.items]
        return {"type": "array", "prefixItems": schemas, "minItems": length, "maxItems": length}

    def take(self, value, exact=False):
        if not isinstance(value, list):
            raise unexpected(self.expected, value)
        if len(value) != len(self.items):
            raise Mismatch(f"expected {self.expected}, not of {len(value)}")
        return tuple(_pairwise(self.items, value, lambda shape, item: shape.take(item, exact)))

    def give(self, value):
        if not isinstance(value, (tuple, list)):
            raise not_given("a tuple", value)
        if len(value) != len(self.items):
            raise Mismatch(f"expected a tuple of {len(self.items)}, not of {len(value)}")
        return _pairwise(self.items, value, lambda shape, item: shape.give(item))


class Dictionary:
    """A dict whose keys are strings, which is an object."""

    expected = "an object"

    def __init__(self, key, item, make=dict):
        self.key, self.item, self.make = key, item, make

    def schema(self):
        return {"type": "object", "additionalProperties": self.item.schema()}

    def take(self, value, exact=False):
        if not isinstance(value, dict):
            raise unexpected(self.expected, value)
        taken = {}
        for key, item in value.items():
            try:
                taken[self.key.take(key)] = self.item.take(item, exact)
            except Mismatch as error:
                raise error.within(key)
        return self.make(taken)

    def give(self, value):
        if not isinstance(value, Mapping):
            raise not_given("a dict", value)
        given = {}
        for key, item in value.items():
            name = self.key.give(key)
            try:
                given[name] = self.item.give(item)
            except Mismatch as error:
                raise error.within(name)
        return given


class Pairs:
    """A dict with other keys, which is an array of arrays `[key, value]`."""

    expected = "an array of [key, value]"

    def __init__(self, key, item, make=dict):
        self.pairs, self.make = Array(Tuple([key, item])), make

    def schema(self):
        return self.pairs.schema()

    def take(self, value, exact=False):
        taken = self.pairs.take(value, exact)
        try:
            return self.make(dict(taken))
        except TypeError as error:
            raise Mismatch(str(error)) from None

    def give(self, value):
        if not isinstance(value, Mapping):
            raise not_given("a dict", value)
        return self.pairs.give(value.items())


class Union:
    """The first member which has the value as its own form, else the first which takes it at all."""

    def __init__(self, members):
        self.members = members
        self.expected = " or ".join(dict.fromkeys(member.expected for member in members))

    def schema(self):
        schemas = []
        for member in self.members:
            schema = member.schema()
            inner = schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
            schemas.extend(one for one in inner if one not in schemas)
        return {"anyOf": schemas}

    def take(self, value, exact=False):
        for exactly in (True, False)[: 1 if exact else 2]:
            errors = []
            for member in self.members:
                try:
                    return member.take(value, exactly)
                except Mismatch as error:
                    errors.append(error)
        raise self._furthest(errors) or unexpected(self.expected, value)

    def give(self, value):
        errors = []
        for member in self.members:
            try:
                return member.give(value)
            except Mismatch as error:
                errors.append(error)
        raise self._furthest(errors) or not_given(self.expected, value)

    @staticmethod
    def _furthest(errors):
        """What the member said which got further than to the value itself: it is the one which was meant."""
        return max((error for error in errors if error.steps), key=lambda error: len(error.steps), default=None)


def in_order(value):
    """The items of `value`; those of a set in an order which does not change from run to run, if they have one."""
    if isinstance(value, Set):
        try:
            return sorted(value)
        except TypeError:
            pass
    return value


def _each(items, convert):
    converted = []
    for index, item in enumerate(items):
        try:
            converted.append(convert(item))
        except Mismatch as error:
            raise error.within(index)
    return converted


def _pairwise(shapes, items, convert):
    return _each(zip(shapes, items), lambda pair: convert(*pair))
