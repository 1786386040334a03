"""`python -m bench.newcomers`: count what a newcomer needs for a protected route, with Keyturn and with other packages.

Each package gets an empty environment and the application of its own documentation, in ``newcomer_apps``. Measured are
the commands, files and lines to type, the seconds to the first authenticated answer, and what is left of a login on
another device after a log-out everywhere. The results are written to ``results/newcomers.json`` and the documentation.
"""

import argparse
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench import newcomer_journeys as journeys
from bench.machine import describe
from bench.newcomer_packages import PACKAGES, Package

HOME = Path(__file__).parent
APPS, RESULTS, PAGE = HOME / "newcomer_apps", HOME / "results" / "newcomers.json", HOME.parent / "docs" / "prior-art.md"
BEGIN, END = "<!-- newcomers:begin -->", "<!-- newcomers:end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Count every package, or those that are named. Return 0: a package that cannot be installed is a result."""
    parser = argparse.ArgumentParser(prog="python -m bench.newcomers", description=__doc__)
    parser.add_argument("--only", action="append", choices=[each.name for each in PACKAGES], help="repeatable")
    parser.add_argument("--page-only", action="store_true", help="only write the table, from results/newcomers.json")
    options = parser.parse_args(arguments)
    if not options.page_only:
        records = [count(each) for each in PACKAGES if options.only is None or each.name in options.only]
        print(table(records))
        if options.only:
            return 0
        document = {"machine": {**describe(), "versions": {}}, "packages": records}
        RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(RESULTS, PAGE)
    return 0


def count(package: Package) -> dict[str, Any]:
    """Return the counts of one package; ``failed``: the reason, if it cannot be installed or run."""
    print(f"{package.name} ...", file=sys.stderr, flush=True)
    described = {"name": package.name, "source": package.source, "store": package.store}
    record: dict[str, Any] = {**described, **count_typed(package)}
    with tempfile.TemporaryDirectory(prefix="keyturn-newcomer-") as folder:
        try:
            return {**record, **_measure(package, Path(folder))}
        except (subprocess.CalledProcessError, RuntimeError, httpx.HTTPError) as error:
            reason = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
            return {**record, "failed": (reason.strip().splitlines() or ["no message"])[-1]}


def count_typed(package: Package) -> dict[str, int]:
    """Return the commands, files and lines to type. Empty lines and comments count for nothing."""
    files = sorted(path for path in (APPS / package.folder).iterdir() if path.is_file())
    texts = [line.strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    lines = sum(bool(text) and not text.startswith("#") for text in texts)
    return {"commands": 3 + len(package.prepare), "files": len(files), "lines": lines}


def _measure(package: Package, folder: Path) -> dict[str, Any]:
    wheels = _build_wheel(folder / "wheels") if package.name == "keyturn" else None
    work = folder / "work"
    work.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started_at = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(work / ".venv")], check=True)
    wheel = f" @ {wheels.as_uri()}" if wheels else ""
    _run(["pip", "install", "-q", package.install[0] + wheel, *package.install[1:]], work)
    installed_at = time.monotonic()
    for number, command in enumerate(package.prepare or ("",)):
        if command:
            _run(shlex.split(command), work)
        if number == 0:
            _write_files(package, work, port)
    with _serve(package, work, port) as url:
        found = _travel(package.journey(), url, started_at)
    packages = json.loads(_run(["pip", "list", "--format=json"], work))
    versions = {each["name"].lower().replace("_", "-"): each["version"] for each in packages}
    others = {"pip", "setuptools"}
    return {
        "version": versions[package.name],
        "packages": len(versions.keys() - others),
        "install_seconds": installed_at - started_at,
        **found,
    }


def _build_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, cwd=HOME.parent, capture_output=True)
    return next(folder.glob("*.whl"))


def _write_files(package: Package, work: Path, port: int) -> None:
    """Write the files of the application. What ends in ``_end.txt`` is appended to a file of a Django project."""
    is_django = bool(package.prepare)
    for path in (APPS / package.folder).iterdir():
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8").replace(":8000", f":{port}")
        target = work / "project" if is_django else work
        if path.name.endswith("_end.txt"):
            with (target / path.name.replace("_end.txt", ".py")).open("a", encoding="utf-8") as file:
                file.write("\n" + text)
        else:
            (target / path.name).write_text(text, encoding="utf-8")


def _run(command: Sequence[str], work: Path) -> str:
    program = str(work / ".venv" / "bin" / command[0])
    options: dict[str, Any] = {"cwd": work, "env": _environment(), "capture_output": True, "text": True}
    return subprocess.run([program, *command[1:]], check=True, timeout=600, **options).stdout


def _environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KEYTURN"))}
    return {**clean, "DJANGO_SUPERUSER_PASSWORD": journeys.PASSWORD}


@contextmanager
def _serve(package: Package, work: Path, port: int) -> Iterator[str]:
    command = shlex.split(package.serve.format(port=port))
    program = str(work / ".venv" / "bin" / command[0])
    with (work / "server.log").open("w") as log:
        server = subprocess.Popen([program, *command[1:]], cwd=work, env=_environment(), stdout=log, stderr=log)
    try:
        while not _accepts(port):
            if server.poll() is not None:
                raise RuntimeError((work / "server.log").read_text()[-500:])
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _travel(journey: journeys.Journey, url: str, started_at: float) -> dict[str, Any]:
    """Sign up, log in on another device, log out everywhere. Return what was found."""
    with httpx.Client(base_url=url, timeout=60) as first, httpx.Client(base_url=url, timeout=60) as second:
        anonymous = first.get(journey.protected).status_code
        if anonymous not in {401, 403}:
            raise RuntimeError(f"the route answered {anonymous} without a login")
        journey.sign_up(first)
        _expect_answer(first, journey)
        seconds = time.monotonic() - started_at
        journey.log_in(second)
        _expect_answer(second, journey)
        began = time.monotonic()
        journey.log_out_everywhere(first)
        status = second.get(journey.protected).status_code
        return {"seconds": seconds, "ended": status in {401, 403}, "end_seconds": time.monotonic() - began}


def _expect_answer(client: httpx.Client, journey: journeys.Journey) -> None:
    reply = client.get(journey.protected)
    if reply.status_code != 200:
        raise RuntimeError(f"{journey.protected}: {reply.status_code} after the login: {reply.text[:300]}")


def table(records: Sequence[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    head = "| package | kept in | commands | files | lines | seconds to the first 200 (pip) | log out everywhere |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *map(_row, records)])


def _row(record: dict[str, Any]) -> str:
    typed = f"{record['store']} | {record['commands']} | {record['files']} | {record['lines']}"
    if "failed" in record:
        return f"| {record['name']} | {typed} | | not run: {record['failed']} |"
    end = f"refused on the other device after {record['end_seconds'] * 1e3:.0f} ms"
    if not record["ended"]:
        reason = next(each.none for each in PACKAGES if each.name == record["name"])
        end = f"none: the token answers until `exp`; {reason}"
    seconds = f"{record['seconds']:.1f} ({record['install_seconds']:.1f})"
    title = f"{record['name']} {record['version']}"
    link = f"[{title}]({record['source']})" if record["source"].startswith("https:") else f"**{title}**"
    return f"| {link} | {typed} | {seconds} | {end} |"


def write_page(results: Path, page: Path) -> None:
    """Write the table between its markers in a page of the documentation."""
    document = json.loads(results.read_text(encoding="utf-8"))
    machine = document["machine"]
    note = (
        f"`python -m bench.newcomers` on {machine['measured_at']}: {machine['cpu']}, {machine['cores']} cores,"
        f" {machine['python']}, load {machine['load_at_start']} when it began."
    )
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{table(document['packages'])}\n\n{note}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
