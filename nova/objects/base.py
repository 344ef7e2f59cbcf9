# SPDX-License-Identifier: Apache-2.0
"""What every versioned object has: fields from annotations, primitives, remote methods. No domain object is here.

An object declares its fields as a dataclass does; :func:`register` makes fields of oslo.versionedobjects of them:

    @register
    class Service(NovaObject):
        uuid: str
        disabled: bool = False
        disabled_reason: str | None
        capabilities: Json = {}

A nullable field defaults to None. Containers are JSON: they are not watched for changes, so assign them anew.
"""

from __future__ import annotations

import copy
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar, cast

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_errors
from oslo_versionedobjects import fields

from nova import errors
from nova.context import RequestContext
from nova.objects.store import STORE_METHODS, Store

__all__ = ["STORE_METHODS", "Json", "JsonField", "NovaObject", "Store", "Primitive", "register", "remotable",
           "is_primitive", "from_primitive", "versions_of"]

#: Annotation of a field that holds plain JSON.
Json = Any
Primitive = dict[str, Any]
N = TypeVar("N", bound="NovaObject")
F = TypeVar("F", bound=Callable[..., Any])
_MISSING = object()


class _Json(fields.FieldType[Any]):
    """Dicts, lists and scalars as they are."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        return value


class JsonField(fields.AutoTypedField[Any]):
    """A field that holds plain JSON."""

    AUTO_TYPE = _Json()


class NovaObject(ovo.VersionedObject):
    """Base of all objects of ours."""

    VERSION = "1.0"
    OBJ_SERIAL_NAMESPACE = "nova_object"
    OBJ_PROJECT_NAMESPACE = "nova"
    #: (field, attribute that holds it, if it needs a conversion to become JSON)
    _layout: ClassVar[tuple[tuple[str, str, bool], ...]] = ()

    @classmethod
    def new(cls, context: RequestContext | None = None, **values: Any) -> Self:
        """A complete object: fields left out get their default. TypeError names those that have none."""
        unknown = values.keys() - cls.fields.keys()
        missing = []
        for name, field in cls.fields.items():
            if name not in values:
                if field.default is not fields.UnspecifiedDefault:
                    values[name] = copy.deepcopy(field.default)
                else:
                    missing.append(name)
        if unknown or missing:
            raise TypeError(f"{cls.__name__}: unknown fields {sorted(unknown)}, missing fields {missing}")
        return cls(context, **values)

    @classmethod
    def hydrate(cls, values: Mapping[str, Any], context: RequestContext | None = None) -> Self:
        """An unchanged object from values of the right types (a row of ours): nothing is converted or checked."""
        self = cls(context)
        store = self.__dict__
        for name, attr, _ in cls._layout:
            if name in values:
                store[attr] = values[name]
        return self

    def as_dict(self) -> dict[str, Any]:
        """The fields that are set; nested objects stay objects."""
        mine = self.__dict__
        return {name: mine[attr] for name, attr, _ in self._layout if attr in mine}

    @property
    def store(self) -> Store:
        """How this object reaches data: the store of the context it came with."""
        store = getattr(self._context, "store", None)
        if store is None:
            raise errors.NovaError(f"{self.obj_name()} has no store: it was made without a context that carries one")
        return cast(Store, store)

    def take(self, other: NovaObject) -> None:
        """Become equal to ``other``, with no changes pending; used after a remote write."""
        for _, attr, _ in self._layout:
            if attr in other.__dict__:
                self.__dict__[attr] = other.__dict__[attr]
        self.obj_reset_changes()

    def obj_load_attr(self, attrname: str) -> None:
        raise AttributeError(f"{self.obj_name()}.{attrname} is not set")

    def obj_to_primitive(self, target_version: str | None = None,
                         version_manifest: dict[str, str] | None = None) -> Primitive:
        """The plain form. What was changed since the object was read stays here: a save sends its changes itself."""
        if target_version is not None or version_manifest is not None:
            older = super().obj_to_primitive(target_version, version_manifest)
            older.pop("nova_object.changes", None)
            return older
        mine = self.__dict__
        plain: dict[str, Any] = {}
        for name, attr, convert in self._layout:
            value = mine.get(attr, _MISSING)
            if value is not _MISSING:
                plain[name] = self.fields[name].to_primitive(self, name, value) if convert else value
        return {"nova_object.name": self.obj_name(), "nova_object.namespace": "nova",
                "nova_object.version": self.VERSION, "nova_object.data": plain}

    @classmethod
    def _obj_from_primitive(cls, context: Any, objver: str, primitive: Primitive) -> Self:
        """As the base does it (every value is coerced, so a peer cannot plant a wrong type), without its detours."""
        self = cls(context)
        self.VERSION = objver
        data, mine = primitive["nova_object.data"], self.__dict__
        for name, attr, convert in cls._layout:
            if name in data:
                field, value = cls.fields[name], data[name]
                mine[attr] = field.coerce(self, name, field.from_primitive(self, name, value) if convert else value)
        return self


_SCALARS: dict[Any, type[fields.Field[Any]]] = {
    str: fields.StringField, int: fields.IntegerField, float: fields.FloatField, bool: fields.BooleanField}


def _field(annotation: Any, default: Any) -> fields.Field[Any]:
    """The field for an annotation: scalars, ``| None``, an object, a list of objects, or JSON."""
    options: dict[str, Any] = {} if default is _MISSING else {"default": default}
    if isinstance(annotation, types.UnionType) and type(None) in typing.get_args(annotation):
        annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
        options = {"nullable": True, "default": None if default is _MISSING else default}
    if annotation in _SCALARS:
        return _SCALARS[annotation](**options)
    if isinstance(annotation, type) and issubclass(annotation, NovaObject):
        return fields.ObjectField(annotation.__name__, **options)
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is list and isinstance(inner[0], type) and issubclass(inner[0], NovaObject):
        return fields.ListOfObjectsField(inner[0].__name__, **options)
    return JsonField(nullable=True, **({"default": None} | options))


def _declared(cls: type[NovaObject]) -> dict[str, fields.Field[Any]]:
    """The fields that the class itself declares; those of its bases are inherited as they are."""
    own = vars(cls).get("__annotations__", {})
    return {n: _field(a, vars(cls).get(n, _MISSING)) for n, a in typing.get_type_hints(cls).items()
            if n in own and typing.get_origin(a) is not ClassVar}


def register(cls: type[N]) -> type[N]:
    """Make fields of the annotations and enter the class in the registry of oslo.versionedobjects."""
    cls.fields = _declared(cls)
    registered = ovo.VersionedObjectRegistry.register(cls)
    objects = (fields.ObjectField, fields.ListOfObjectsField)
    cls._layout = tuple((n, f"_obj_{n}", isinstance(f, objects)) for n, f in cls.fields.items())
    return registered


def remotable(method: F) -> F:
    """Mark a method whose body asks ``self.store``: here or, on a host, over the bus."""

    @functools.wraps(method)
    def wrapper(self: NovaObject, *args: Any, **kwargs: Any) -> Any:
        self.store  # noqa: B018 - refuses an object without a store before the body has any effect
        return method(self, *args, **kwargs)

    wrapper.remotable = True  # type: ignore[attr-defined]
    return cast(F, wrapper)


def is_primitive(value: Any) -> bool:
    """Is this the plain form of an object of ours?"""
    return isinstance(value, dict) and value.get("nova_object.namespace") == "nova" and "nova_object.name" in value


def versions_of(name: str) -> dict[str, str]:
    """The versions that this process knows of an object and of those inside it."""
    versions: dict[str, str] = ovo.obj_tree_get_versions(name)
    return versions


Backport = Callable[[Primitive, dict[str, str]], Primitive]


def from_primitive(primitive: Primitive, context: RequestContext | None = None,
                   backport: Backport | None = None) -> NovaObject:
    """The object of a primitive. One that is newer than ours goes to ``backport`` with the versions that we know."""
    try:
        return NovaObject.obj_from_primitive(primitive, context)
    except ovo_errors.IncompatibleObjectVersion as e:
        name = primitive["nova_object.name"]
        if backport is None:
            raise errors.NotSupported(f"{name} {e.kwargs['objver']} is newer than {e.kwargs['supported']} that is "
                                      "known here, and nobody is there to translate it") from e
        older = backport(primitive, versions_of(name))
        return NovaObject.obj_from_primitive(older, context)
    except (ovo_errors.UnsupportedObjectError, KeyError, TypeError, ValueError) as e:
        raise errors.Invalid(f"An object could not be read: {e}") from e
