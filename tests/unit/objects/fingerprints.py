# SPDX-License-Identifier: Apache-2.0
"""What an object looks like to its peers, as a short word; ``python -m tests.unit.objects.fingerprints`` writes all.

A change of fields, of their types or of remote methods changes the word. Whoever changes it raises the object's version
and says in ``obj_make_compatible`` how an older peer is served.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path

from nova.objects.backport import ALL
from nova.objects.base import NovaObject
from nova.objects.store import Store

FILE = Path(__file__).parents[2] / "architecture" / "object_fingerprints.json"


def fingerprint(cls: type[NovaObject]) -> str:
    fields = [(name, repr(field)) for name, field in sorted(cls.fields.items())]
    methods = [(name, str(inspect.signature(method))) for name, method in inspect.getmembers(cls, callable)
               if getattr(method, "remotable", False)]
    return f"{cls.VERSION}-{hashlib.sha256(repr((fields, methods)).encode()).hexdigest()[:16]}"


def current() -> dict[str, str]:
    """The fingerprints of all objects and of the protocol that hosts speak."""
    store = [(name, str(inspect.signature(method))) for name, method in sorted(vars(Store).items())
             if inspect.isfunction(method) and not name.startswith("_")]
    found = {name: fingerprint(cls) for name, cls in sorted(ALL.items())}
    return found | {"Store": hashlib.sha256(repr(store).encode()).hexdigest()[:16]}


if __name__ == "__main__":
    FILE.write_text(json.dumps(current(), indent=4) + "\n")
