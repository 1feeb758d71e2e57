"""The component, as componentize-py wants it: a class for the exported interface."""

from componentize_py_types import Err

from palisade import interpreter, preload, rehearsal, zones

preload.load()
zones.load()
rehearsal.rehearse()
preload.settle()


class Interpreter:
    def describe(self, source):
        return _answer(interpreter.describe, source)

    def call(self, source, function, arguments):
        return _answer(interpreter.call, source, function, arguments)


def _answer(ask, *question):
    try:
        return ask(*question)
    except interpreter.Failed as error:
        raise Err(str(error)) from None
