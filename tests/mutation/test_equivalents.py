"""The list of equivalent mutants: each is one of today's sources and has a reason."""

from pathlib import Path

import pytest

from mutation.equivalents import read_equivalents, stale
from mutation.finder import all_mutants, find_mutants

ENTRY = """
[[equivalent]]
file = "keyturn/core/x.py"
within = "f"
line = "return a < b"
change = "a < b -> (a <= b)"
"""
SOURCE = b"def f(a, b):\n  return a < b\n"


def test_every_listed_mutant_is_one_of_todays_sources() -> None:
    mutants = [each for several in all_mutants().values() for each in several]
    assert stale(read_equivalents(), mutants) == []


def test_an_entry_names_one_mutant(tmp_path: Path) -> None:
    file = tmp_path / "list.toml"
    file.write_text(ENTRY + 'reason = "a and b are never equal here"\n')
    (entry,) = read_equivalents(file)
    assert [each.new for each in find_mutants("keyturn/core/x.py", SOURCE) if each.identity == entry.identity] == [
        "(a <= b)"
    ]


def test_an_entry_for_code_that_has_changed_is_stale(tmp_path: Path) -> None:
    file = tmp_path / "list.toml"
    file.write_text(ENTRY + 'reason = "a and b are never equal here"\n')
    entries = read_equivalents(file)
    assert stale(entries, find_mutants("keyturn/core/x.py", SOURCE)) == []
    assert stale(entries, find_mutants("keyturn/core/x.py", SOURCE.replace(b"a <", b"c <"))) == entries


@pytest.mark.parametrize("reason", ["", 'reason = ""', 'reason = "equivalent"'])
def test_an_entry_without_a_reason_is_refused(reason: str, tmp_path: Path) -> None:
    file = tmp_path / "list.toml"
    file.write_text(ENTRY + reason)
    with pytest.raises(ValueError, match="reason"):
        read_equivalents(file)
