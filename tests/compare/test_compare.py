"""``keyturn compare``, run for real: what must be so is so, on SQLite, PostgreSQL and Redis."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from effort import LONG
from engines.fixtures import Fresh
from engines.redis import RedisServer
from keyturn.cli.main import app
from keyturn_lab.compare.measure import MODES, Figure
from keyturn_lab.compare.report import spoken


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["compare", "--quick", *arguments], env={"COLUMNS": "140"})
    return done.exit_code, done.stdout, done.stderr


def figures(told: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {mode: {each["name"]: each["median"] for each in told["modes"][mode]} for mode in MODES}


def judge(told: dict[str, Any]) -> None:
    """What no machine can change."""
    found = figures(told)
    session, jwt, hybrid = (found[mode] for mode in MODES)
    asked = "questions to the store, per request"
    assert session[asked] == pytest.approx(1, abs=0.05)
    assert jwt[asked] == 0
    assert hybrid[asked] < 0.05
    wire = "bytes on the wire, per request"
    assert session[wire] < hybrid[wire] < jwt[wire]
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


def test_on_a_file_beside_the_users_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.db"
    with sqlite3.connect(mine) as connection:
        connection.execute("CREATE TABLE precious (id)")
    page = tmp_path / "compare.html"
    code, said, complaints = run(
        "--store", f"sqlite:///{mine}", "--json", "--report", str(page), "--plots", str(tmp_path / "plots")
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


def test_on_postgresql_with_sessions_in_redis(fresh: Fresh, empty_redis: RedisServer) -> None:
    url = fresh("postgresql")
    code, said, complaints = run("--store", url, "--sessions", empty_redis.url, "--json")
    assert code == 0, complaints
    told = json.loads(said)
    judge(told)
    assert told["store"] == "PostgreSQL, sessions in Redis"
    with empty_redis.client() as client:
        assert client.dbsize() == 0
    with psycopg.connect(url) as connection:
        left = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'keyturn_compare%'").fetchall()
    assert left == []


def test_people_read_a_table() -> None:
    code, said, _ = run()
    assert code == 0
    for word in ("Session", "JWT", "Hybrid", "medians"):
        assert word in said


def test_a_redis_that_holds_something_is_left_alone(empty_redis: RedisServer) -> None:
    with empty_redis.client() as client:
        client.set("mine", "precious")
    code, _, complaints = run("--sessions", empty_redis.url)
    assert code == 2
    assert "holds something" in complaints
    with empty_redis.client() as client:
        assert client.get("mine") == b"precious"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--store", "mysql://x/y"), "SQLite and PostgreSQL"),
        (("--store", "sqlite:////no/such/folder/x.db"), "no folder"),
        (("--store", "postgresql://nobody@127.0.0.1:1/x"), "nobody listens at this host and port"),
        (("--report", "/nowhere/at/all.html"), "cannot write"),
        (("--plots", "/dev/null"), "cannot write"),
        (("--sessions", "redis://127.0.0.1:1/15"), "store_unavailable"),
    ],
)
def test_what_cannot_be_measured_is_said(arguments: tuple[str, ...], word: str) -> None:
    code, _, complaints = run(*arguments)
    assert code == 2
    assert word in complaints


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, "s", "-"), (1234.5, "µs", "1,234 µs"), (0.0, "%", "0 %"), (2.345, "ms", "2.35 ms")],
)
def test_figures_are_spoken_briefly(value: float | None, unit: str, text: str) -> None:
    assert spoken(value, unit) == text


def test_a_figure_nobody_measured_has_no_middle() -> None:
    assert Figure("x", "s").middle is None
