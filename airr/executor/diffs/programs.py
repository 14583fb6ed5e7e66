"""Two texts of Python -> are they the same program, but for comments and spacing? Pure."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any


@lru_cache(maxsize=64)
def compiled(text: str) -> CodeType:
    """Compile a file; some are kept, since what a patch is revised in leaves others as they were.

    Raises:
        SyntaxError, ValueError, OverflowError: it is no Python.
        RecursionError, MemoryError: it is nested too deeply.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # as bytes, so that a coding cookie counts here as it will for the interpreter
        return compile(text.encode("utf-8"), "<patched>", "exec", dont_inherit=True)


def is_same_program(before: str, after: str) -> bool:
    """Tell whether two files parse to the same syntax tree; False where one of them does not."""
    try:
        if _surely_differ(compiled(before), compiled(after)):
            return False
        old, new = _Program.of(before), _Program.of(after)
        return _are_alike(old.tree, new.tree, old, new)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False  # it is no Python, or nested too deeply


def _surely_differ(one: Any, other: Any) -> bool:
    """Tell whether names or constants differ: syntax trees alike have them alike, in their order.

    Most patches show here, far sooner than by parsing the file. Whole numbers are left out: from
    Python 3.13 on, the line where a class begins is one.
    """
    if not isinstance(one, CodeType) or not isinstance(other, CodeType):
        return type(one) is not type(other) or one != other
    if (one.co_names, one.co_varnames) != (other.co_names, other.co_varnames):
        return True
    constants = [
        [constant for constant in code.co_consts if type(constant) is not int]
        for code in (one, other)
    ]
    return len(constants[0]) != len(constants[1]) or any(map(_surely_differ, *constants))


@dataclass(frozen=True, slots=True)
class _Program:
    """A file's syntax tree, and its lines as Python counts them."""

    tree: ast.Module
    lines: Sequence[str]

    @staticmethod
    @lru_cache(maxsize=16)
    def of(text: str) -> _Program:
        """Parse a file; that of a baseline is asked for again and again."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.encode("utf-8"))
        return _Program(tree, text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))

    def source(self, statement: ast.stmt) -> tuple[int, Sequence[str]]:
        """Return the lines of a statement, and where it begins in them: the same parse alike."""
        decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(one.lineno for one in decorators)])
        return statement.col_offset, self.lines[first - 1 : statement.end_lineno]


def _are_alike(one: Any, other: Any, old: _Program, new: _Program) -> bool:
    """Compare two parts of syntax trees; statements are looked into where their text differs."""
    if type(one) is not type(other):
        return False
    if isinstance(one, ast.stmt) and old.source(one) == new.source(other):
        return True
    if isinstance(one, ast.AST):
        fields = one._fields
        one, other = ([getattr(part, name, None) for name in fields] for part in (one, other))
    if isinstance(one, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_are_alike(*pair, old, new) for pair in pairs)
    return one == other
