# SPDX-License-Identifier: Apache-2.0
"""Transactions of nftables in its JSON form, and words to write rules with. What the rules are for is said elsewhere.

Debian's binding is not on PyPI, so the program itself is run: a transaction of any size costs it about 5 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from nova.host import processes

Json = dict[str, Any]


class Nft:
    """Runs transactions. Each is applied as a whole or not at all."""

    def __init__(self, timeout: float = 30) -> None:
        self._timeout = timeout

    def apply(self, commands: Sequence[Json]) -> None:
        """One transaction. Raises :class:`errors.HostFailure` when the kernel refuses it."""
        if commands:
            text = orjson.dumps({"nftables": list(commands)})
            processes.run(["nft", "-j", "-f", "-"], input=text, timeout=self._timeout)

    def table(self, family: str, name: str) -> list[Json]:
        """All objects of a table; empty when there is none."""
        tables = (o.get("table", {}) for o in self._list("tables", family))
        return self._list("table", family, name) if any(t.get("name") == name for t in tables) else []

    def _list(self, *words: str) -> list[Json]:
        done = processes.run(["nft", "-j", "list", *words], timeout=self._timeout)
        return list(orjson.loads(done.stdout)["nftables"])


def match(left: Any, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> Json:
    return {"meta": {"key": key}}


def field(protocol: str, name: str) -> Json:
    return {"payload": {"protocol": protocol, "field": name}}


def concat(*parts: Json) -> Json:
    return {"concat": list(parts)}


def prefix(cidr: str) -> Json:
    address, _, length = cidr.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}}


def jump(chain: str) -> Json:
    return {"jump": {"target": chain}}


ACCEPT: Json = {"accept": None}
DROP: Json = {"drop": None}
ESTABLISHED = match({"ct": {"key": "state"}}, ["established", "related"], "in")


class Table:
    """Commands about one table."""

    def __init__(self, family: str, name: str) -> None:
        self.family, self.name = family, name

    def _in(self, **values: Any) -> Json:
        return {"family": self.family, "table": self.name, **values}

    def add(self) -> Json:
        return {"add": {"table": {"family": self.family, "name": self.name}}}

    def delete(self) -> list[Json]:
        """Adding it first makes deleting what is not there no error."""
        return [self.add(), {"delete": {"table": {"family": self.family, "name": self.name}}}]

    def set(self, name: str, kind: str | list[str]) -> Json:
        return {"add": {"set": self._in(name=name, type=kind)}}

    def map(self, name: str, kind: str) -> Json:
        return {"add": {"map": self._in(name=name, type=kind, map="verdict")}}

    def chain(self, name: str, hook: str | None = None, priority: int = 0, kind: str = "filter") -> Json:
        base = {"type": kind, "hook": hook, "prio": priority, "policy": "accept"} if hook else {}
        return {"add": {"chain": self._in(name=name, **base)}}

    def flush(self, chain: str) -> Json:
        return {"flush": {"chain": self._in(name=chain)}}

    def drop_chain(self, chain: str) -> Json:
        return {"delete": {"chain": self._in(name=chain)}}

    def rule(self, chain: str, *expr: Json, comment: str | None = None) -> Json:
        return {"add": {"rule": self._in(chain=chain, expr=list(expr), **({"comment": comment} if comment else {}))}}

    def elements(self, verb: str, name: str, elements: Iterable[Any]) -> list[Json]:
        found = list(elements)
        return [{verb: {"element": self._in(name=name, elem=found)}}] if found else []
