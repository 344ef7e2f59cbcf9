# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.conformance``: start a cloud, run tempest against it, tell what came of it."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conformance import cloud, outcome, selection, settings

#: Where stestr starts, and how it keeps the tests of a class, which share a set-up, in one worker.
STESTR = f"""[DEFAULT]
test_path={cloud.ROOT / 'tests' / 'conformance' / 'everything'}
top_dir={cloud.ROOT}
group_regex=([^\\.]*\\.)*
"""
SECONDS_PER_TEST = 300


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smoke selection only, about five minutes")
    parser.add_argument("--only", metavar="REGEX", default="", help="only tests whose name has a match")
    parser.add_argument("--excluded", action="store_true",
                        help="the other way round: only what is excluded; tells which of it would pass")
    parser.add_argument("--workers", type=int, default=2, help="processes that run tests (default: 2)")
    parser.add_argument("--nova-python", default=sys.executable, metavar="PATH",
                        help="the interpreter that runs the cloud (default: this one)")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep results and logs there")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the cloud is ended
    place = Path(tempfile.mkdtemp(prefix="nova-conformance-", dir=os.environ.get("NOVA_TEST_DATA_DIR") or None))
    try:
        return run(place, asked)
    except (cloud.NoCloud, selection.Wrong) as e:
        print(f"conformance: {e}", file=sys.stderr)
        return 1
    finally:
        if asked.keep:
            shutil.copytree(place, asked.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("cloud", "locks"))
        shutil.rmtree(place, ignore_errors=True)


def run(place: Path, asked: argparse.Namespace) -> int:
    chosen = selection.load()
    began = time.monotonic()
    with cloud.running(asked.nova_python, place / "cloud") as directory:
        # What the cloud lacks is what an excluded test may need: then the switches are left as tempest has them.
        settings.write(place / "tempest.conf", directory / "clouds.yaml", {} if asked.excluded else chosen.features)
        (place / ".stestr.conf").write_text(STESTR)
        stestr(place, "init")
        known = stestr(place, "list").stdout.splitlines()
        excluded = chosen.reasons(known)
        tests = [test for test in known if (test in excluded) == asked.excluded]
        if asked.smoke:
            tests = chosen.short(tests)
        tests = [test for test in tests if re.search(asked.only, test)]
        (place / "tests").write_text("\n".join(tests))
        print(f"tempest runs {len(tests)} tests", flush=True)
        done = stestr(place, "run", "--concurrency", str(asked.workers), "--load-list", str(place / "tests"))
        (place / "stestr.out").write_text(done.stdout + done.stderr)
        with (place / "results.subunit").open("wb") as stream:
            stream.write(stestr(place, "last", "--subunit", text=False).stdout)
        troubles = cloud.troubles(directory)
        if asked.keep:
            shutil.copy(directory / "log" / "nova-standalone.log", place)
    results = outcome.read(place / "results.subunit")
    if asked.excluded:
        return would_pass(results, excluded)
    outcome.show(results, excluded)
    print(f"{time.monotonic() - began:.0f} s")
    for line in troubles[:20]:
        print(f"the cloud's log: {line}")
    wrong = outcome.failures(results)
    if not wrong and (done.returncode or not any(result.passed for result in results)):
        print(f"stestr ended with {done.returncode}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
        return 1
    return 1 if wrong or troubles else 0


def would_pass(results: list[outcome.Result], excluded: dict[str, str]) -> int:
    """Names the tests that need not be excluded any more; that there are any is an error."""
    passed = [result for result in results if result.passed]
    for result in passed:
        print(f"passes: {selection.plain(result.name)}, excluded because: {excluded.get(result.name)}")
    print(f"{len(passed)} of {len(results)} results of excluded tests are good")
    return 1 if passed else 0


def stestr(place: Path, *words: str, text: bool = True) -> subprocess.CompletedProcess:
    """One command of stestr, in the environment that tempest is in."""
    tool = Path(sys.executable).with_name("stestr")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "TEMPEST_"))} | {
        "TEMPEST_CONFIG_DIR": str(place), "TEMPEST_CONFIG": "tempest.conf", "PYTHON": sys.executable,
        "PYTHONPATH": str(cloud.ROOT), "OS_TEST_TIMEOUT": str(SECONDS_PER_TEST)}
    with subprocess.Popen([tool, *words], cwd=place, env=environment, text=text, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if words[0] == "list" and process.returncode:
        raise selection.Wrong(f"stestr {words[0]} ended with {process.returncode}: {out}{err}")
    return subprocess.CompletedProcess(words, process.returncode, out, err)


if __name__ == "__main__":
    raise SystemExit(main())
