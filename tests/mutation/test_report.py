"""The report: a row per mutant, and JSON with the same."""

import json

from mutation.equivalents import Equivalent
from mutation.finder import find_mutants
from mutation.report import Run, document, shorten, table
from mutation.trial import CAUGHT, SURVIVED, Result

MUTANTS = find_mutants("keyturn/core/x.py", b"def f(a, b):\n  x(a | 1)\n  return a < b\n")


def made() -> Run:
    caught, survived, equivalent, *_ = MUTANTS
    results = [Result(caught, CAUGHT, "tests/core/test_x.py::test_y", 1.0), Result(survived, SURVIVED, "", 2.0)]
    return Run(7, results, [(equivalent, Equivalent(equivalent.identity, "as broad as long, whatever is done"))])


def test_the_table_has_a_row_for_each_mutant_and_counts_them() -> None:
    rows = table(made()).splitlines()
    assert rows[2] == "| `keyturn/core/x.py:2:3` | `x(a \\| 1) -> pass` | caught: core/test_x.py::test_y |"
    assert rows[3].endswith("| survived |")
    assert "equivalent: as broad as long" in rows[4]
    assert rows[-1] == "Seed 7: 1 of 2 mutants caught, 1 equivalent."


def test_the_json_document_has_the_data_of_the_table() -> None:
    found = json.loads(document(made()))
    assert found["seed"] == 7
    assert [each["verdict"] for each in found["results"]] == [CAUGHT, SURVIVED]
    assert found["equivalents"][0]["reason"] == "as broad as long, whatever is done"


def test_a_long_change_is_cut_in_its_middle() -> None:
    assert shorten("a" * 100 + "b" * 100) == "a" * 45 + " … " + "b" * 45
    assert shorten("short") == "short"
