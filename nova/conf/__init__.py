# SPDX-License-Identifier: Apache-2.0
"""Options of the whole product: one module per section, each with ``GROUP``, ``OPTS`` and ``register(conf)``.

A process calls :func:`load` once and passes the result on; nothing reads a global. The result is oslo.config's own
``CONF`` all the same, because oslo.messaging and oslo.log put their options there.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from oslo_config import cfg

import nova
from nova import errors

__all__ = ["check", "list_opts", "load", "register_all", "sections"]


def sections() -> list[ModuleType]:
    """The modules of this package; a new file is a new section."""
    return [importlib.import_module(f"{__name__}.{m.name}") for m in sorted(pkgutil.iter_modules(__path__))]


def register_all(conf: cfg.ConfigOpts) -> None:
    for section in sections():
        section.register(conf)


def list_opts() -> list[tuple[str | None, list[cfg.Opt]]]:
    """For oslo-config-generator."""
    return [(section.GROUP, list(section.OPTS)) for section in sections()]


def load(prog: str, argv: Sequence[str] = (), config_files: Iterable[str] | None = None,
         conf: cfg.ConfigOpts | None = None) -> cfg.ConfigOpts:
    """Read the configuration of a process.

    ``config_files`` are used when ``argv`` names none; without either, nova.conf is looked for in the usual places
    (``~/.nova``, ``~``, ``/etc/nova``, ``/etc``). Raises ConfigError with one line that names the option or file.
    """
    conf = cfg.CONF if conf is None else conf
    register_all(conf)
    defaults = None if config_files is None else [str(f) for f in config_files]
    try:
        conf(list(argv), project="nova", prog=prog, version=nova.__version__, default_config_files=defaults,
             default_config_dirs=None if defaults is None else [])
    except cfg.ConfigFilesNotFoundError as e:
        raise errors.ConfigError(f"--config-file: {', '.join(e.config_files)} cannot be read; name a file that exists "
                                 f"and that this user may read") from e
    except cfg.ConfigDirNotFoundError as e:
        raise errors.ConfigError(f"--config-dir: {e.config_dir} is not a directory that this user may read") from e
    except cfg.Error as e:
        raise errors.ConfigError(_one_line(e)) from e
    check(conf)
    return conf


def check(conf: cfg.ConfigOpts) -> None:
    """Read every option once, so that a wrong value is told at the start and not when it is first needed."""
    for group, opts in list_opts():
        for opt in opts:
            try:
                _value(conf, group, opt)
            except (cfg.Error, ValueError) as e:
                raise errors.ConfigError(f"[{group or 'DEFAULT'}] {opt.name}: {_reason(e)}; "
                                         f"expected {_expected(opt)}") from e
    for section in sections():
        validate = getattr(section, "validate", None)  # rules between options; a section may have them
        if validate is not None:
            validate(conf)


def _value(conf: cfg.ConfigOpts, group: str | None, opt: cfg.Opt) -> Any:
    return getattr(conf[group] if group else conf, opt.dest)


def _expected(opt: cfg.Opt) -> str:
    """What a value must look like, in words."""
    kind = opt.type
    bounds = [f"{word} {value}" for word, value in (("at least", getattr(kind, "min", None)),
                                                    ("at most", getattr(kind, "max", None))) if value is not None]
    choices = getattr(kind, "choices", None)
    if choices:
        return "one of " + ", ".join(str(c) for c in choices)
    return " ".join([str(getattr(kind, "type_name", "another")).removesuffix(" value") + " value", *bounds])


def _reason(error: BaseException) -> str:
    """What is wrong and in which file, without oslo.config's words around it."""
    where = re.search(r"detail='([^']+)'", str(error))
    what = _one_line(error.__context__ or error)
    return f"{what} (in {where.group(1)})" if where else what


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
