"""Marks of the revocation log: an entry that was lost is proven, and a claim without a MAC proves nothing."""

from collections.abc import Callable

import pytest

from keyturn.core.log_mark import ABSENT, LogMark
from keyturn.core.sealed import Secrets
from keyturn.core.signed_mark import sign_mark, verify_mark

SECRETS = Secrets(b"a" * 32)
KNOWN = LogMark(database=3, log=10, sequence=5, tag=7)


@pytest.mark.parametrize(
    ("found", "is_lost"),
    [
        (LogMark(3, 10, 5, 7), False),
        (LogMark(3, 10, 5, 8), True),
        (LogMark(3, 10, 5, ABSENT), True),
        (LogMark(3, 10, 5, None), False),
        (LogMark(3, 9, 5, 7), True),
        (LogMark(3, 11, 5, ABSENT), False),
        (LogMark(4, 9, 5, ABSENT), False),
    ],
    ids=["same", "other entry", "ended before", "purged", "older log", "restore known already", "other database"],
)
def test_a_log_without_a_known_entry_contradicts_its_mark(found: LogMark, is_lost: bool) -> None:
    assert KNOWN.is_contradicted_by(found) is is_lost


def test_a_mark_without_a_known_tag_is_never_contradicted() -> None:
    assert not LogMark(3, 10, 5, None).is_contradicted_by(LogMark(3, 10, 5, 8))


def test_a_signed_mark_is_valid_for_its_sequence_only() -> None:
    text = sign_mark(KNOWN, SECRETS)
    assert verify_mark(text, 5, SECRETS) == KNOWN
    assert verify_mark(text, 6, SECRETS) is None


def test_a_mark_of_a_previous_secret_is_accepted_and_one_of_another_is_not() -> None:
    text = sign_mark(KNOWN, SECRETS)
    assert verify_mark(text, 5, Secrets(b"b" * 32, b"a" * 32)) == KNOWN
    assert verify_mark(text, 5, Secrets(b"b" * 32)) is None


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: "9" + text, lambda _: "", lambda _: "3.10.7"])
def test_a_changed_mark_is_refused(change: Callable[[str], str]) -> None:
    assert verify_mark(change(sign_mark(KNOWN, SECRETS)), 5, SECRETS) is None


@pytest.mark.parametrize("mark", [None, LogMark(3, 10, 5, None), LogMark(3, 10, 5, ABSENT)])
def test_an_unknown_entry_has_no_signed_mark(mark: LogMark | None) -> None:
    assert sign_mark(mark, SECRETS) == ""
