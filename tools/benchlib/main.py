# SPDX-License-Identifier: Apache-2.0
"""The command line: arguments, quota raised and restored, servers cleaned up, and the order of the measures."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import re
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import auth, report
from .compute import BenchError, Cloud
from .measures import MEASURES, Amounts, Bench, Progress, Result, keys
from .processes import Daemons
from .wire import WireError

FAILURES = (BenchError, WireError)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="tools/bench", description="Boot, list, stop, start and delete servers of a running cloud over HTTP, and "
        "print one table of how fast it was. Works on any cloud with the Compute API and Identity API v3. Servers are "
        "named bench-…; they are deleted at the end, and the project's quota is put back.")
    where = made.add_argument_group("cloud")
    where.add_argument("--os-cloud", metavar="NAME",
                       help="cloud in clouds.yaml (default: OS_CLOUD, else OS_* variables)")
    where.add_argument("--admin-cloud", metavar="NAME", help="cloud that may change quotas (default: the same)")
    where.add_argument("--keep-quota", action="store_true", help="do not raise the project's quota")
    where.add_argument("--flavor", help="name or id (default: the one with the least memory)")
    where.add_argument("--image", help="name or id (default: the smallest active one)")
    where.add_argument("--network", metavar="UUID", help="network of the servers (default: the cloud chooses)")
    where.add_argument("--microversion", metavar="2.N", help="Compute API microversion (default: none asked for, 2.1)")
    what = made.add_argument_group("measures")
    what.add_argument("--only", type=_names, metavar="NAME,…", help=f"only these: {', '.join(MEASURES)}")
    what.add_argument("--skip", type=_names, metavar="NAME,…", default=[], help="all but these")
    defaults = Amounts()
    for name, text in (("boot", "servers booted at first"), ("multi", "servers of one request"),
                       ("one", "servers booted one by one"), ("act", "servers stopped and started"),
                       ("servers", "servers to list"), ("requests", "requests of one client"),
                       ("lists", "lists asked for"), ("clients", "requests at a time")):
        what.add_argument(f"--{name}", type=_positive, default=getattr(defaults, name), metavar="N",
                          help=f"{text} (default: %(default)s)")
    what.add_argument("--streams", type=_positive, default=defaults.streams, metavar="N",
                      help="event streams to hold open (default: none, the measure is left out)")
    what.add_argument("--pages", type=_positive, default=defaults.pages, metavar="N",
                      help="pages of 1,000 servers that are there, to be read (default: none, the measure is left out)")
    what.add_argument("--seconds", type=float, default=defaults.seconds, help="length of a rate (default: %(default)s)")
    what.add_argument("--timeout", type=float, default=600.0, help="longest wait for servers (default: %(default)s s)")
    who = made.add_argument_group("daemons, when the cloud runs on this machine")
    who.add_argument("--pids", type=_pids, default=[], metavar="PID,…", help="processes whose time and memory count")
    who.add_argument("--pattern", action="append", default=[], type=_pattern, metavar="REGEX",
                     help="count processes whose command line matches; may be repeated")
    who.add_argument("--tree", action="append", default=[], type=_tree, metavar="NAME=PID",
                     help="count a process and its descendants, by name; may be repeated. Memory is that of the first")
    out = made.add_argument_group("output")
    out.add_argument("-f", "--format", choices=("table", "json"), default="table")
    out.add_argument("--reference", nargs="?", const="", metavar="FILE",
                     help="show reference figures too: those of Nova 34.0.0, or of an earlier run's JSON file")
    out.add_argument("-q", "--quiet", action="store_true", help="no progress")
    return made


def _names(text: str) -> list[str]:
    names = [n.strip() for n in text.split(",") if n.strip()]
    for name in names:
        if name not in MEASURES:
            raise argparse.ArgumentTypeError(f"{name!r} is not a measure; there are {', '.join(MEASURES)}")
    return names


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _pids(text: str) -> list[int]:
    return [_positive(part.strip()) for part in text.split(",") if part.strip()]


def _tree(text: str) -> tuple[str, int]:
    name, _, pid = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PID")
    return name, _positive(pid)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as e:
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression: {e}") from e
    return text


def chosen(only: Sequence[str] | None, skip: Sequence[str]) -> list[str]:
    """The measures to run, in their order."""
    return [m for m in MEASURES if (only is None or m in only) and m not in skip]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0: all measured; 1: some failed; 2: nothing could be measured."""
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        reference = _reference(args.reference)
        results, about, titles = _measure(args)
    except (auth.AuthError, *FAILURES, OSError, ValueError) as e:
        print(f"tools/bench: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tools/bench: interrupted; servers and quota were put back", file=sys.stderr)
        return 130
    made = report.rows(results, titles, reference)
    if args.format == "json":
        print(report.as_json(made, about))
    else:
        from rich.console import Console

        Console().print(report.as_table(made, reference is not None))
    return 1 if any(r.failed for r in results) else 0


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _reference(wanted: str | None) -> dict[str, float] | None:
    if wanted is None:
        return None
    if wanted == "":
        return report.built_in()
    try:
        return report.from_json(pathlib.Path(wanted).read_text(encoding="utf-8"))
    except (KeyError, TypeError, ValueError) as e:
        raise ValueError(f"--reference {wanted}: not the JSON of an earlier run ({e})") from e


def _measure(args: argparse.Namespace) -> tuple[list[Result], dict[str, Any], dict[str, Any]]:
    session = auth.log_in(auth.find(os.environ, args.os_cloud))
    amounts = Amounts(**{name: getattr(args, name) for name in Amounts.__dataclass_fields__})
    prefix = f"bench-{secrets.token_hex(3)}-"
    with contextlib.ExitStack() as stack:
        cloud = Cloud(session, prefix=prefix, microversion=args.microversion, timeout=args.timeout,
                      clients=args.clients)
        stack.callback(cloud.close)
        admin = cloud
        if args.admin_cloud:
            other = auth.log_in(auth.find(os.environ, args.admin_cloud))
            admin = Cloud(dataclasses.replace(other, project_id=session.project_id), prefix=prefix)
            stack.callback(admin.close)
        results, flavor = _run_all(args, cloud, admin, amounts)
    about = {"compute": session.compute, "flavor": flavor, "microversion": args.microversion or "2.1",
             "cores": os.cpu_count(), **amounts.titles()}
    return results, about, amounts.titles()


def _run_all(args: argparse.Namespace, cloud: Cloud, admin: Cloud, amounts: Amounts) -> tuple[list[Result], str]:
    flavor = cloud.flavor(args.flavor)
    spec: dict[str, Any] = {"flavorRef": flavor["id"], "imageRef": cloud.image(args.image)}
    if args.network:
        spec["networks"] = [{"uuid": args.network}]
    daemons = Daemons(args.pids, args.pattern, trees=dict(args.tree))
    wanted = chosen(args.only, args.skip)
    with _progress(args.quiet) as progress, _raised_quota(admin, args.keep_quota), _cleaned(cloud, progress):
        return run(Bench(cloud, spec, amounts, daemons, progress), wanted), str(flavor["name"])


def run(bench: Bench, wanted: Sequence[str]) -> list[Result]:
    """Each measure by itself: one that fails is told as failed, and the next one runs."""
    results: list[Result] = []
    for name in wanted:
        try:
            results += getattr(bench, name)()
        except FAILURES as e:
            results.append(Result(keys(name)[0], None, str(e)[:300]))
    return results


@contextlib.contextmanager
def _raised_quota(admin: Cloud, keep: bool) -> Iterator[None]:
    """No limit on servers, cores and memory while the block runs; afterwards what it was."""
    if keep:
        yield
        return
    try:
        before, default = admin.quota(), admin.default_quota()
        admin.set_quota(dict.fromkeys(before, -1))
    except BenchError as e:
        raise BenchError(f"the quota cannot be raised ({e}); name an administrator's cloud with --admin-cloud, or use "
                         "--keep-quota") from e
    try:
        yield
    finally:
        if before == default:
            admin.reset_quota()
        else:
            admin.set_quota(before)


@contextlib.contextmanager
def _cleaned(cloud: Cloud, progress: Progress) -> Iterator[None]:
    try:
        yield
    finally:
        cloud.clean(progress("clean up", None))


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """A line on the terminal that tells what is being done and how far it is."""
    if quiet:
        yield lambda title, total: lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        def begin(title: str, total: int | None) -> Callable[[], None]:
            for task in shown.task_ids:
                shown.remove_task(task)
            current = shown.add_task(title, total=total)
            return lambda: shown.advance(current) if current in shown.task_ids else None

        yield begin
