"""Scripts, as the host meets them."""

import contextlib
import io
import json
import random
import unittest
from pathlib import Path

from palisade import interpreter, rehearsal, script

EXAMPLES = Path(__file__).parent.parent / "examples"

# What the host understands of JSON schema.
KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "enum",
    "anyOf", "description", "default", "contentEncoding", "pattern",
}


def describe(source):
    return json.loads(interpreter.describe(source))


def call(source, function, **arguments):
    return json.loads(interpreter.call(source, function, json.dumps(arguments)))


class Scripts(unittest.TestCase):
    def setUp(self):
        script.forget()

    def failed(self, source, function, **arguments):
        with self.assertRaises(interpreter.Failed) as caught:
            call(source, function, **arguments)
        return json.loads(str(caught.exception))


class Described(Scripts):
    def test_public_functions_of_the_file_are_offered_in_order(self):
        described = describe(
            '"""Docs."""\nfrom math import sin\nfrom json import dumps\nfrom functools import cache\nclass C: pass\n'
            "def b(): pass\n@cache\ndef a(x: int): return x\ndef _c(): pass\n"
        )
        self.assertEqual(described["docs"], "Docs.")
        self.assertEqual([function["name"] for function in described["functions"]], ["a", "b"])
        self.assertEqual(described["skipped"], [])

    def test_what_cannot_be_offered_says_why(self):
        described = describe(
            "from dataclasses import dataclass\n"
            "@dataclass\nclass Node:\n    next: 'Node | None'\n"
            "def a(x): pass\n"
            "def b(*x: int): pass\n"
            "def c(**x: int): pass\n"
            "async def d(): pass\n"
            "def e(x: complex): pass\n"
            "def f() -> complex: pass\n"
            "def g(x: 'Missing'): pass\n"
            "def h(x: Node): pass\n"
            f"def i(x: {'list[' * 20}str{']' * 20}): pass\n"
        )
        self.assertEqual(described["functions"], [])
        reasons = {skipped["name"]: skipped["reason"] for skipped in described["skipped"]}
        for name, reason in {
            "a": 'parameter "x" has no annotation',
            "b": "*x is not supported: name each parameter",
            "c": "**x is not supported: name each parameter",
            "d": "it is async, and there is no event loop",
            "e": 'parameter "x": the type complex is not supported',
            "f": "the result: the type complex is not supported",
            "g": "the annotations of g cannot be evaluated: NameError: name 'Missing' is not defined",
            "h": 'parameter "x": Node.next: Node holds itself, and its schema would have no end',
            "i": "the schema of its parameters is nested deeper than 16",
        }.items():
            self.assertEqual(reasons[name], reason)

    def test_docstrings_describe_parameters(self):
        described = describe(
            "from __future__ import annotations\n"
            "from typing import Annotated\n"
            'def google(a: int, b: Annotated[str, "from the type"] = "x", *, c: int = None) -> str:\n'
            '    """Does it.\n\n    At length.\n\n    Args:\n        a: The first,\n            which goes on.\n'
            '        c (int): The last.\n\n    Returns:\n        What is left.\n\n    Raises:\n        ValueError: Never.\n    """\n'
            "def rest(a: int) -> None:\n"
            '    """Does it.\n\n    :param a: The first,\n        which goes on.\n    :type a: int\n    :returns: Nothing.\n    """\n'
        )
        google, rest = described["functions"]
        self.assertEqual(google["docs"], "Does it.\n\nAt length.\n\nRaises:\n    ValueError: Never.")
        properties = google["parameters"]["properties"]
        self.assertEqual(properties["a"]["description"], "The first, which goes on.")
        self.assertEqual(properties["b"], {"type": "string", "description": "from the type", "default": "x"})
        self.assertEqual(properties["c"]["description"], "The last.")
        self.assertIn({"type": "null"}, properties["c"]["anyOf"])
        self.assertEqual(google["parameters"]["required"], ["a"])
        self.assertEqual(google["result"], {"type": "string", "description": "What is left."})
        self.assertEqual(rest["docs"], "Does it.")
        self.assertEqual(rest["parameters"]["properties"]["a"]["description"], "The first, which goes on.")
        self.assertIsNone(rest["result"])

    def test_without_an_annotation_the_result_is_anything(self):
        self.assertEqual(describe("def f(): pass")["functions"][0]["result"], {})

    def test_what_cannot_be_loaded_says_where(self):
        for source, message in [
            ("x = 1\ndef f(:\n", "SyntaxError: invalid syntax (script.py, line 2): def f(:"),
            ("1 / 0", "ZeroDivisionError: division by zero (script.py, line 1)"),
            ("raise SystemExit(3)", "SystemExit: 3 (script.py, line 1)"),
            (
                "import missing",
                "ModuleNotFoundError: No module named 'missing' (script.py, line 1); of modules there are most of the "
                "standard library, and no others",
            ),
            (
                "open('/no/such/file')",
                "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/file' (script.py, line 1); a script is "
                "loaded without files, and its functions have those of the sandbox",
            ),
        ]:
            with self.assertRaises(interpreter.Failed) as caught:
                interpreter.describe(source)
            self.assertEqual(str(caught.exception), message)

    def test_only_known_keywords_are_in_schemas(self):
        def check(schema):
            self.assertLessEqual(schema.keys(), KEYWORDS)
            inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), *schema.get("prefixItems", [])]
            inner += [one for one in (schema.get("items"), schema.get("additionalProperties")) if one]
            for one in inner:
                check(one)

        for source in [rehearsal._SOURCE, *(path.read_text() for path in EXAMPLES.glob("*.py"))]:
            for function in describe(source)["functions"]:
                check(function["parameters"])
                check(function["result"] or {})


class Called(Scripts):
    def test_arguments_reach_parameters_of_all_kinds(self):
        source = "def f(a: int, b: int = 2, /, c: int = 3, *, d: int = 4): return [a, b, c, d]"
        self.assertEqual(call(source, "f", a=1), [1, 2, 3, 4])
        self.assertEqual(call(source, "f", a="9", c=1, d=0), [9, 2, 1, 0])

    def test_globals_are_kept_for_the_same_source(self):
        source = "n = 0\ndef f():\n    global n\n    n += 1\n    return n"
        counts = [call(text, "f") for text in (source, source, source + "\n", source)]
        self.assertEqual(counts, [1, 2, 1, 3])

    def test_exceptions_are_told_with_the_frames_of_the_script(self):
        failed = self.failed("import json\ndef f(text: str):\n    return json.loads(text)", "f", text="{")
        self.assertEqual(failed["type"], "JSONDecodeError")
        self.assertIn('File "script.py", line 3, in f\n    return json.loads(text)', failed["traceback"])
        self.assertNotIn("decoder.py", failed["traceback"])

    def test_nothing_a_script_raises_gets_through(self):
        for statement, kind in [
            ("raise SystemExit(3)", "SystemExit"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
            ("return f()", "RecursionError"),
            ("raise ExceptionGroup('all', [ValueError(1), KeyError(2)])", "ExceptionGroup"),
            ("class E(Exception):\n        def __str__(self): raise ValueError\n    raise E", "f.<locals>.E"),
            ("raise ValueError('\\ud800' * 10000)", "ValueError"),
            ("class E(BaseException):\n        pass\n    raise E from ValueError(1)", "f.<locals>.E"),
        ]:
            with self.subTest(statement=statement):
                failed = self.failed(f"def f():\n    {statement}\n", "f")
                self.assertEqual(failed["type"], kind)
                self.assertLess(len(json.dumps(failed)), 40 << 10)

    def test_wrong_questions_have_errors_of_their_own(self):
        source = "def f(a: int): return {1}\ndef g(a): pass\ndef h() -> int: return 'x'"
        for function, arguments, failed in [
            ("f", {"a": "x"}, ("ArgumentError", "$.a: expected an integer, not a string")),
            ("f", {"a": 1, "b": 1}, ("ArgumentError", "$.b: unknown, there is a")),
            ("f", {}, ("ArgumentError", "$.a: missing, expected an integer")),
            ("g", {}, ("LookupError", 'function "g" is not offered: parameter "a" has no annotation')),
            ("missing", {}, ("LookupError", 'the script offers no function "missing"')),
            ("h", {}, ("ResultError", "$: expected an integer, not a value of type str")),
        ]:
            found = self.failed(source, function, **arguments)
            self.assertEqual((found["type"], found["message"]), failed)
            self.assertEqual(found["traceback"], "")

    def test_arguments_must_be_an_object(self):
        for arguments in ["[]", "{", '{"a": NaN}', ""]:
            with self.assertRaises(interpreter.Failed) as caught:
                interpreter.call("def f(a: float): pass", "f", arguments)
            self.assertEqual(json.loads(str(caught.exception))["type"], "ArgumentError")

    def test_output_goes_where_it_goes(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            call("def f() -> None: print('hello')", "f")
        self.assertEqual(out.getvalue(), "hello\n")

    def test_a_new_instance_has_its_own_random_numbers(self):
        random.seed(1)
        same = random.random()
        random.seed(1)
        interpreter._is_awake = False
        self.assertNotEqual(call("import random\ndef f(): return random.random()", "f"), same)

    def test_rehearsing_leaves_nothing_behind(self):
        rehearsal.rehearse()
        self.assertEqual(script._loaded, {})


class Examples(Scripts):
    def test_workbench(self):
        source = (EXAMPLES / "workbench.py").read_text()
        self.assertEqual(
            [function["name"] for function in describe(source)["functions"]],
            ["column", "keywords", "read_table", "summarise", "working_days"],
        )
        self.assertEqual(call(source, "keywords", text="a b a", limit=1), {"a": 2})
        days = call(source, "working_days", first="2025-01-03", last="2025-01-07", holidays=["2025-01-06"])
        self.assertEqual(days, ["2025-01-03", "2025-01-07"])
        self.assertEqual(
            call(source, "summarise", values=[1, 2, 6]), {"count": 3, "mean": 3.0, "median": 2.0, "deviation": 7**0.5}
        )
        self.assertEqual(self.failed(source, "read_table", path="/missing.csv")["type"], "FileNotFoundError")

    def test_notes(self):
        source = (EXAMPLES / "notes.py").read_text()
        self.assertEqual(call(source, "add", text="One"), 1)
        self.assertEqual(call(source, "search", word="one")[0]["text"], "One")


if __name__ == "__main__":
    unittest.main()
