"""The house itself: small functions, small modules, prose and rooms as CONTRIBUTING says."""

import ast
import pathlib

import pytest

import barlow

pytestmark = pytest.mark.once

SOURCE = pathlib.Path(barlow.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
BODY, MODULE, COMMANDS = 45, 300, 200  # lines, at most


def functions(path):
    """Every function of a module with the lines of its body, its docstring left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            yield node.name, lines


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_and_functions_are_small(path):
    limit = COMMANDS if path.parent.name == "cli" else MODULE
    assert len(path.read_text().splitlines()) <= limit
    assert {name: lines for name, lines in functions(path) if lines > BODY} == {}


def test_the_longest_function_is_seen():
    """The measure itself: a docstring does not count, nested functions do."""
    counted = dict(functions(SOURCE / "settings.py"))
    assert counted["check"] > counted["allowed_sentence"] == 1
