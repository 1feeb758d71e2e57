"""The functions of a module: what each takes and gives, and calling it."""

import inspect
from inspect import Parameter

from palisade import docs
from palisade.annotations import Annotations, evaluated
from palisade.anything import Anything
from palisade.containers import Union
from palisade.mismatch import Mismatch, Unsupported
from palisade.records import MISSING, Field, Members
from palisade.scalars import Null

_MAX_NESTING = 16


class ArgumentError(TypeError):
    """The arguments are not those of the function."""


class ResultError(TypeError):
    """What the function returned cannot be given as JSON, or is not what its annotation says."""


class Function:
    """A function which can be called with JSON. Raises `Unsupported` where it cannot."""

    def __init__(self, name, function):
        _check_kind(function)
        self._name, self._function = name, function
        hints = evaluated(_annotated(function))
        said = docs.of_function(function)
        self._docs = said.prose
        self._positional = {}
        self._parameters = Members(self._fields(hints, said))
        self._result = Anything()
        if "return" in hints:
            try:
                self._result = Annotations(of_arguments=False).shape(hints["return"])
            except Unsupported as error:
                raise Unsupported(f"the result: {error}") from None
        self._result_docs = said.result

    def describe(self):
        described = {
            "name": self._name,
            "docs": self._docs,
            "parameters": self._parameters.schema(),
            "result": self._result_schema(),
        }
        for which in ("parameters", "result"):
            if _nesting(described[which]) > _MAX_NESTING:
                raise Unsupported(f"the schema of its {which} is nested deeper than {_MAX_NESTING}")
        return described

    def call(self, arguments):
        """Calls it with an object of arguments, and returns what it gives, both as JSON values."""
        try:
            members = self._parameters.take(arguments)
        except Mismatch as error:
            raise ArgumentError(str(error)) from None
        result = self._function(*self._take_positional(members), **members)
        try:
            return self._result.give(result)
        except Mismatch as error:
            raise ResultError(str(error)) from None

    def _result_schema(self):
        if isinstance(self._result, Null):
            return None
        schema = self._result.schema()
        if self._result_docs:
            schema["description"] = self._result_docs
        return schema

    def _fields(self, hints, said):
        for parameter in inspect.signature(self._function).parameters.values():
            name = parameter.name
            _check_parameter(parameter, hints)
            default = MISSING if parameter.default is Parameter.empty else parameter.default
            if parameter.kind is Parameter.POSITIONAL_ONLY:
                self._positional[name] = default
            try:
                shape = Annotations(of_arguments=True).shape(hints[name])
            except Unsupported as error:
                raise Unsupported(f'parameter "{name}": {error}') from None
            yield Field(
                name,
                _with_none(shape) if default is None else shape,
                required=default is MISSING,
                default=default,
                description=said.parameters.get(name),
            )

    def _take_positional(self, members):
        return [members.pop(name, default) for name, default in self._positional.items()]


def is_offered(name, value, module):
    """Whether `value` is a public function which was defined in `module`."""
    return (
        not name.startswith("_")
        and callable(value)
        and not isinstance(value, type)
        and getattr(value, "__module__", None) == module
        and inspect.isroutine(inspect.unwrap(value))
    )


def _annotated(function):
    """What holds the annotations: of a decorated function which is no function any more, what was decorated."""
    return function if inspect.isroutine(function) else inspect.unwrap(function)


def _check_kind(function):
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise Unsupported("it is async, and there is no event loop")


def _check_parameter(parameter, hints):
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is Parameter.VAR_POSITIONAL else "**"
        raise Unsupported(f"{stars}{parameter.name} is not supported: name each parameter")
    if parameter.name not in hints:
        raise Unsupported(f'parameter "{parameter.name}" has no annotation')


def _with_none(shape):
    """`limit: int = None` means that `None` may be given."""
    try:
        shape.give(None)
    except Mismatch:
        members = shape.members if isinstance(shape, Union) else [shape]
        return Union([*members, Null()])
    return shape


def _nesting(schema):
    if not isinstance(schema, dict):
        return 0
    inner = [*schema.get("properties", {}).values(), *schema.get("prefixItems", []), *schema.get("anyOf", [])]
    inner += [schema.get("items"), schema.get("additionalProperties")]
    return 1 + max(map(_nesting, inner))
