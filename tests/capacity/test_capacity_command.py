"""``keyturn capacity``: tables for people, JSON for programs, a page with plots, and words for what makes no sense."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keyturn.cli.main import app
from keyturn_lab.capacity.costs import Costs

QUICK = ["capacity", "--sessions", "1000", "--verifiers", "3", "--simulated-seconds", "5"]


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def test_people_read_tables_and_one_sentence() -> None:
    code, said, _ = run(*QUICK)
    assert code == 0
    assert "entries alive" in said
    assert "feed bandwidth" in said
    assert said.rstrip().splitlines()[-1].startswith("Everything holds.")


def test_programs_read_json_with_all_that_it_rests_on() -> None:
    code, said, _ = run(*QUICK, "--json")
    result = json.loads(said)
    assert code == 0
    assert result["demand"]["sessions"] == 1000
    assert {each["name"] for each in result["limits"]} >= {"feed bandwidth", "session memory"}
    assert result["breaks_first"] in {each["name"] for each in result["limits"]}
    assert set(result["simulated"]["seen_seconds"]) == {"p50", "p99", "p100"}
    assert all(each["source"] for each in result["costs"])


def test_given_rates_replace_typical_ones() -> None:
    _, said, _ = run(*QUICK, "--json", "--revocations-per-second", "7", "--logins-per-second", "0")
    demand = json.loads(said)["demand"]
    assert (demand["revocations_per_second"], demand["logins_per_second"]) == (7, 0)


@pytest.mark.parametrize("transport", ["sqlite", "postgresql", "redis", "sse", "http"])
def test_every_transport_is_a_choice(transport: str) -> None:
    code, said, _ = run(*QUICK, "--json", "--transport", transport)
    assert code == 0
    assert json.loads(said)["demand"]["transport"] == transport


def test_a_report_is_one_page_with_its_plots_in_it(tmp_path: Path) -> None:
    page = tmp_path / "capacity.html"
    code, _, _ = run(*QUICK, "--report", str(page))
    text = page.read_text(encoding="utf-8")
    assert code == 0
    assert text.count("<svg") == 2
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    for start in (each for each in text.split("<svg")[1:]):
        ElementTree.fromstring("<svg" + start[: start.index("</svg>") + 6])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--transport", "pigeon"), "--transport"),
        (("--store", "paper"), "--store"),
        (("--transport", "redis", "--store", "postgresql"), "needs redis"),
        (("--access-seconds", "0"), "access_seconds"),
        (("--report", "/nowhere/at/all.html"), "cannot write"),
    ],
)
def test_an_invalid_argument_is_named_in_the_error(arguments: tuple[str, ...], word: str) -> None:
    code, _, complaints = run(*QUICK, *arguments)
    assert code == 2
    assert word in complaints


MEASURING = """
import json
from dataclasses import asdict
from keyturn_lab.capacity.calibrate import calibrate
from keyturn_lab.capacity.costs import Costs
said = []
print(json.dumps([asdict(calibrate(Costs(), said.append)), len(said)]))
"""


def test_costs_can_be_measured_on_this_machine() -> None:
    # In a process of its own, as the command is: what the threads of other tests allocate would be counted, too.
    done = subprocess.run([sys.executable, "-c", MEASURING], check=True, capture_output=True, text=True, timeout=120)
    measured, steps = json.loads(done.stdout)
    assert steps == 4
    assert measured != asdict(Costs())
    for name in ("entry_bytes", "entry_wire_bytes", "session_cache_bytes", "sqlite_session_bytes"):
        assert getattr(Costs(), name) / 3 < measured[name] < getattr(Costs(), name) * 3, name
