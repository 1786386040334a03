"""The newcomer's count: what is typed for a protected route, and what is left of a login after a log-out everywhere."""

import json

import pytest
from bench.newcomer_packages import PACKAGES

from bench import newcomers


def test_a_protected_route_takes_at_most_twelve_lines_in_one_file() -> None:
    typed = newcomers.count_typed(PACKAGES[0])
    assert (typed["commands"], typed["files"]) == (3, 1)
    assert 0 < typed["lines"] <= 12


def test_the_page_shows_the_recorded_counts_of_every_package() -> None:
    recorded = json.loads(newcomers.RESULTS.read_text(encoding="utf-8"))["packages"]
    assert [each["name"] for each in recorded] == [each.name for each in PACKAGES]
    assert newcomers.table(recorded) in newcomers.PAGE.read_text(encoding="utf-8")
    for package, record in zip(PACKAGES, recorded, strict=True):
        typed = newcomers.count_typed(package)
        assert record | typed == record, f"{package.name} has changed: python -m bench.newcomers"
        assert "failed" in record or record["ended"] is not bool(package.none)


def test_a_package_that_cannot_be_installed_is_a_result_with_its_reason() -> None:
    missing = PACKAGES[0]._replace(name="nowhere", install=("./nowhere",))
    row = newcomers.table([newcomers.count(missing)])
    assert "| not run: " in row
    assert "nowhere" in row


@pytest.mark.long(
    stands_in="tests/bench/test_newcomers.py::test_a_protected_route_takes_at_most_twelve_lines_in_one_file"
)
def test_a_log_out_everywhere_ends_the_login_on_another_device() -> None:
    found = newcomers.count(PACKAGES[0])
    assert "failed" not in found, found
    assert found["ended"] is True
