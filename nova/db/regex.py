# SPDX-License-Identifier: Apache-2.0
"""Regular expressions from outside: those that every engine reads alike, and that none can be made to try for ever.

They are searched without regard to case; ``^`` and ``$`` stand at the ends of lines. What is allowed is what RE2 takes,
less what PostgreSQL or MariaDB would read otherwise: groups without options, letters escaped only in ``\\d \\w \\s``
and their opposites, counts up to 255. RE2 takes time in proportion to the text, so SQLite may use it row by row.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from nova import errors

LONGEST = 255
_MOST_TIMES = 255
_MEMORY = 1 << 18
_GROUP = re.compile(r"\(\?(?!:)")
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_BRACE = re.compile(r"\{(\d{1,3})(?:,(\d{0,3}))?\}")


@functools.lru_cache(maxsize=256)
def compile(text: str) -> Any:
    """The expression, ready to ``search``. Raises Invalid for what is not allowed."""
    if len(text) > LONGEST:
        raise errors.Invalid(f"A regular expression may have at most {LONGEST} characters.")
    reason = _reason(text)
    if reason is None:
        import re2  # heavy, and only those who search need it

        options = re2.Options()
        options.case_sensitive, options.max_mem, options.log_errors = False, _MEMORY, False
        try:
            return re2.compile("(?m)" + text, options)
        except re2.error as e:
            reason = e.args[0].decode("utf-8", "replace") if e.args and isinstance(e.args[0], bytes) else str(e)
    raise errors.Invalid(f"Invalid regular expression {text!r}: {reason}")


def _reason(text: str) -> str | None:
    """What is wrong with it although RE2 would take it."""
    for escaped in _ESCAPE.findall(text):
        if escaped.isalnum() and escaped not in "dDwWsS":
            return f"\\{escaped} is not allowed"
    bare = _ESCAPE.sub("", text)
    if _GROUP.search(bare):
        return "groups cannot have options"
    for low, high in _BRACE.findall(bare):
        if int(low) > _MOST_TIMES or int(high or 0) > _MOST_TIMES:
            return f"a count is at most {_MOST_TIMES}"
    if "{" in _BRACE.sub("", bare):
        return "{ begins a count; write \\{ for the character"
    return None


class regex_match(GenericFunction[bool]):  # noqa: N801 - SQL functions are written small
    """``regex_match(column, text)``: the text is one that :func:`compile` takes."""

    type = sa.Boolean()
    name = "regex_match"
    inherit_cache = True


@compiles(regex_match, "sqlite")
def _sqlite_match(element: Any, compiler: Any, **kw: Any) -> str:
    column, text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"nova_regex_match({column}, {text})"  # registered on every connection by nova.db.engine


@compiles(regex_match, "postgresql")
def _postgresql_match(element: Any, compiler: Any, **kw: Any) -> str:
    column, text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} ~ ('(?in)' || {text}))"


@compiles(regex_match, "mysql")
@compiles(regex_match, "mariadb")
def _mysql_match(element: Any, compiler: Any, **kw: Any) -> str:
    column, text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column} REGEXP CONCAT('(?im)', {text}))"


class text_holds(GenericFunction[bool]):  # noqa: N801
    """``text_holds(column, text)``: the column, JSON or not, holds the text as it stands, capitals and all."""

    type = sa.Boolean()
    name = "text_holds"
    inherit_cache = True


@compiles(text_holds, "sqlite")
def _sqlite_holds(element: Any, compiler: Any, **kw: Any) -> str:
    column, text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(instr({column}, {text}) > 0)"


@compiles(text_holds, "postgresql")
def _postgresql_holds(element: Any, compiler: Any, **kw: Any) -> str:
    column, text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(strpos(CAST({column} AS TEXT), {text}) > 0)"


@compiles(text_holds, "mysql")
@compiles(text_holds, "mariadb")
def _mysql_holds(element: Any, compiler: Any, **kw: Any) -> str:
    column, text = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(INSTR({column}, BINARY {text}) > 0)"


def sqlite_match(value: str | None, text: str) -> bool:
    """What SQLite calls."""
    return value is not None and compile(text).search(value) is not None
