"""``keyturn compare``: one measured run, clean-up of its scratch stores, and its report from given figures."""

import json
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from effort import LONG
from keyturn.cli.main import app
from keyturn.config.settings import read_settings
from keyturn.issuer import Issuer
from keyturn_lab.capacity.calibrate import new_session
from keyturn_lab.compare import measure
from keyturn_lab.compare.load import LoadResult, load
from keyturn_lab.compare.measure import MODES, Figure, Plan, Results, Tick
from keyturn_lab.compare.report import format_figure
from keyturn_lab.compare.scratch import ScratchStore
from server_process.process import PASSWORD
from services.fixtures import Fresh
from services.redis import RedisServer

SESSIONS = 300
SHORT = ("--seconds", "0.2", "--runs", "1", "--connections", "2")


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["compare", *arguments])
    return done.exit_code, done.stdout, done.stderr


def calm(ports: Sequence[int], credentials: Sequence[str], seconds: float, connections: int) -> LoadResult:
    """Load for a moment only, and pause before the very short loads, which come without end: no speed is judged."""
    time.sleep(0.0 if seconds > 0.01 else 0.02)
    return load(ports, credentials, min(seconds, 0.2 if len(ports) == 1 else 0.05), connections)


def figures(told: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {mode: {each["name"]: each["median"] for each in told["modes"][mode]} for mode in MODES}


def judge(told: dict[str, Any]) -> None:
    """Check the results that do not depend on the speed of the machine."""
    found = figures(told)
    session, jwt, hybrid = (found[mode] for mode in MODES)
    asked = "questions to the store, per request"
    assert session[asked] == pytest.approx(1, abs=0.05)
    assert jwt[asked] == 0
    assert hybrid[asked] < 0.05
    client = "bytes on the wire, per request"
    assert session[client] < hybrid[client] < jwt[client]
    last = "from revocation to last acceptance"
    assert jwt[last] == 600_000
    if LONG:  # how fast, on a calm machine
        assert session[last] < 1500
        assert hybrid[last] < 1500
    at_once, later = (name for name in session if name.startswith("store away"))
    assert (session[at_once], session[later]) == (0, 0)
    assert (jwt[at_once], jwt[later]) == (100, 100)
    assert hybrid[at_once] > 90
    assert hybrid[later] == 0, "past the staleness bound nothing is accepted"
    for mode in found.values():
        assert all(mode[name] > 0 for name in mode if name.startswith("requests per second"))
        assert 0 < mode["latency, p50"] <= mode["latency, p99"]
    assert jwt["memory of the store, a million logins"] == 0
    assert 100 < session["memory of the store, a million logins"] < 2000


def test_on_a_file_beside_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not LONG:
        monkeypatch.setattr(measure, "load", calm)
    mine = tmp_path / "mine.db"
    with sqlite3.connect(mine) as connection:
        connection.execute("CREATE TABLE precious (id)")
    page = tmp_path / "compare.html"
    code, said, complaints = run(
        *SHORT, "--store", f"sqlite:///{mine}", "--json", "--report", str(page), "--plots", str(tmp_path / "plots")
    )
    assert code == 0, complaints
    told = json.loads(said)
    judge(told)
    assert told["store"] == "SQLite"
    with sqlite3.connect(mine) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    assert not list(tmp_path.glob(".keyturn-compare-*")), "it cleans up"
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "until it expires" in text
    assert {each.name for each in (tmp_path / "plots").glob("*.svg")} == {"scaling.svg", "costs.svg"}


@pytest.mark.long(stands_in="tests/compare/test_compare.py::test_scratch_schemas_and_keys_are_removed_afterwards")
def test_on_postgresql_with_sessions_in_redis(fresh: Fresh, empty_redis: RedisServer) -> None:
    code, said, complaints = run(*SHORT, "--store", fresh("postgresql"), "--sessions", empty_redis.url, "--json")
    assert code == 0, complaints
    judge(json.loads(said))


def test_scratch_schemas_and_keys_are_removed_afterwards(
    fresh: Fresh, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh("postgresql")

    def filled(scratch: ScratchStore, plan: Plan, tick: Tick) -> Results:
        before = scratch.used_bytes()
        fill(scratch)
        assert 100 < (scratch.used_bytes() - before) / SESSIONS < 2000
        assert (len(schemas(url)), key_count(own_redis) >= SESSIONS) == (1, True)
        return drawn()

    monkeypatch.setattr(measure, "measure", filled)
    code, said, complaints = run("--store", url, "--sessions", own_redis.url, "--json")
    assert code == 0, complaints
    assert json.loads(said)["store"] == "PostgreSQL, sessions in Redis"
    assert (schemas(url), key_count(own_redis)) == ([], 0)


def fill(scratch: ScratchStore) -> None:
    with Issuer.open(read_settings(scratch.environment), background=False) as issuer:
        issuer.signup("ada@example.com", PASSWORD, deliver="both")
        for _ in range(SESSIONS):
            issuer.parts.sync_store.sessions.insert(new_session())


def key_count(redis: RedisServer) -> int:
    with redis.client() as client:
        return int(client.dbsize())


def schemas(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'keyturn_compare%'").fetchall()


def drawn(*samples: float) -> Results:
    """Figures that nobody measured."""
    return {mode: {"CPU": Figure("CPU", "µs", list(samples), f"a note on {mode}")} for mode in MODES}


def test_people_read_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []

    def planned(scratch: ScratchStore, plan: Plan, tick: Tick) -> Results:
        plans.append(plan)
        return drawn(1, 2, 6)

    monkeypatch.setattr(measure, "measure", planned)
    code, said, _ = run("--quick")
    assert code == 0
    for words in ("Session", "JWT", "Hybrid", "2 µs", "a note on jwt; 1 to 6 µs", "runs of 0.4 s: 1; medians"):
        assert words in said
    assert [each.runs for each in plans] == [1]


def test_compare_refuses_a_redis_with_data(empty_redis: RedisServer) -> None:
    with empty_redis.client() as client:
        client.set("mine", "precious")
    code, _, complaints = run("--sessions", empty_redis.url)
    assert code == 2
    assert "is not empty" in complaints
    with empty_redis.client() as client:
        assert client.get("mine") == b"precious"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--store", "mysql://x/y"), "SQLite and PostgreSQL"),
        (("--store", "sqlite:////no/such/folder/x.db"), "is not a directory"),
        (("--store", "postgresql://nobody@127.0.0.1:1/x"), "nothing listens on this host and port"),
        (("--report", "/nowhere/at/all.html"), "cannot write"),
        (("--plots", "/dev/null"), "cannot write"),
        (("--sessions", "redis://127.0.0.1:1/15"), "store_unavailable"),
    ],
)
def test_an_unusable_argument_of_compare_is_named(arguments: tuple[str, ...], word: str) -> None:
    code, _, complaints = run(*arguments)
    assert code == 2
    assert word in complaints


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, "s", "-"), (1234.5, "µs", "1,234 µs"), (0.0, "%", "0 %"), (2.345, "ms", "2.35 ms")],
)
def test_figures_are_spoken_briefly(value: float | None, unit: str, text: str) -> None:
    assert format_figure(value, unit) == text


def test_a_figure_without_samples_has_no_middle() -> None:
    assert Figure("x", "s").middle is None
