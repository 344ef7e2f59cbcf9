# SPDX-License-Identifier: Apache-2.0
"""What one guest asks for: its flavor's extra specs and its image's properties, read as the catalogue says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.virt.hardware import catalogue, cpusets
from nova.virt.hardware.catalogue import Wish, invalid

_TRUE = frozenset("true t yes y on 1".split())
_FALSE = frozenset("false f no n off 0".split())


class Wishes:
    """Values by the names of the catalogue. What makes no sense raises :class:`errors.Invalid` when it is read."""

    def __init__(self, extra_specs: Mapping[str, Any], image_properties: Mapping[str, Any]) -> None:
        self.specs = extra_specs
        self.properties = image_properties

    def refuse_unknown_machinery(self) -> None:
        """Raise Invalid for what is known but cannot be had."""
        refused = catalogue.refused()
        for name, value in (*self.specs.items(), *self.properties.items()):
            if name in refused and value is not None and str(value).strip().lower() not in _FALSE:
                raise invalid(name, value, refused[name])

    def given(self) -> list[Wish]:
        """What flavor or image speak of at all."""
        return [catalogue.wishes()[name] for key in (*self.specs, *self.properties)
                if (name := catalogue.by_key().get(key)) is not None]

    def check(self) -> None:
        """Raise Invalid for any value that is not of its kind, and for flavor and image that contradict each other."""
        self.refuse_unknown_machinery()
        for wish in self.given():
            for name, value in ((wish.spec, self.in_flavor(wish.name)), (wish.prop, self.in_image(wish.name))):
                if value is not None and name is not None:
                    _well_formed(name, value, wish)
            self.text(wish.name)

    def in_flavor(self, name: str) -> str | None:
        """What the flavor alone says."""
        spec = catalogue.wishes()[name].spec
        return _plain(self.specs.get(spec)) if spec else None

    def in_image(self, name: str) -> str | None:
        """What the image alone says."""
        prop = catalogue.wishes()[name].prop
        return _plain(self.properties.get(prop)) if prop else None

    def text(self, name: str) -> str | None:
        """What counts of the two. For a name with rules of its own: the flavor's, else the image's."""
        wish = catalogue.wishes()[name]
        flavor, image = self.in_flavor(name), self.in_image(name)
        if flavor is None or image is None:
            return image if flavor is None else flavor
        if wish.clash == "refuse" and _same_form(wish, flavor) != _same_form(wish, image):
            raise errors.Invalid(f"Flavor and image contradict each other: {wish.spec} = '{flavor}', "
                                 f"{wish.prop} = '{image}'.")
        return image if wish.clash == "image" else flavor

    def word(self, name: str) -> str | None:
        wish = catalogue.wishes()[name]
        value = self.text(name)
        if value is not None and value not in wish.words:
            raise invalid(self._said_by(wish), value, f"it must be one of {', '.join(wish.words)}")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.text(name)
        return None if value is None else flag(self._said_by(catalogue.wishes()[name]), value)

    def number(self, name: str) -> int | None:
        value = self.text(name)
        return None if value is None else number(self._said_by(catalogue.wishes()[name]), value)

    def cpus(self, name: str, vcpus: int) -> frozenset[int] | None:
        """A mask over the vCPUs: a set of them, or with a leading ``^`` all but these."""
        value = self.text(name)
        if value is None:
            return None
        full = f"0-{vcpus - 1},{value}" if value.lstrip().startswith("^") else value
        found = cpusets.parse(full)
        if not found <= frozenset(range(vcpus)):
            raise invalid(self._said_by(catalogue.wishes()[name]), value, f"the server has {vcpus} vCPUs")
        return found

    def _said_by(self, wish: Wish) -> str:
        """The name under which the value that counts was given."""
        in_image = wish.prop is not None and wish.prop in self.properties
        in_flavor = wish.spec is not None and wish.spec in self.specs
        name = wish.prop if in_image and (wish.clash == "image" or not in_flavor) else wish.spec
        return name or wish.name


def flag(name: str, value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise invalid(name, value, "it must be true or false")


def number(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,18}", value):
        raise invalid(name, value, "it must be a number")
    return int(value)


def _plain(value: Any) -> str | None:
    """Properties come as strings, or as JSON has them."""
    return None if value is None or value == "" else str(value).strip()


def _same_form(wish: Wish, value: str) -> object:
    return value.lower() in _TRUE if wish.kind == "flag" else value


def _well_formed(name: str, value: str, wish: Wish) -> None:
    if wish.kind == "flag":
        flag(name, value)
    elif wish.kind == "number":
        number(name, value)
    elif wish.kind == "cpus":
        cpusets.parse(value)
    elif wish.words and value not in wish.words:
        raise invalid(name, value, f"it must be one of {', '.join(wish.words)}")
