"""Unicode that is costly to normalise: combining marks in the worst order, and characters that grow.

Sources: CWE-407, CWE-1333's cousin; UAX 15 section 13 (Stream-Safe Text Format), CVE-2025-27556 and CVE-2023-46695
(Django: slow NFKC of long user names). Both are normalised on the event loop before anything is throttled, so the
cost must be small.
"""

import re
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress

import pytest

from keyturn.core.account import normalise_identifier
from keyturn.core.password import prepare_password
from keyturn.errors import BadRequest, PasswordRejected

MARKS = sorted(map(chr, range(0x300, 0x370)), key=unicodedata.combining, reverse=True)


def worst(size: int) -> str:
    """Each mark has to move past all before it."""
    return "a" + "".join(MARKS[at * len(MARKS) // size] for at in range(size))


COSTLY = [worst(4000), worst(1000), "\ufdfa" * 4000, "e\u0301" * 2000, "\u1e9b\u0323" * 2000]
PREPARE = [(prepare_password, PasswordRejected), (normalise_identifier, BadRequest)]
BOUNDED = "tests/advisories/test_unicode_exhaustion.py::test_no_long_text_or_run_of_marks_is_normalised"


@pytest.mark.parametrize("text", COSTLY)
@pytest.mark.parametrize(("prepare", "refusal"), PREPARE)
def test_no_long_text_or_run_of_marks_is_normalised(
    prepare: Callable[[str], str], refusal: type[Exception], text: str
) -> None:
    """Normalise only input of at most 4096 characters with at most 30 combining marks in a row."""
    with suppress(refusal):
        prepare(text)
        assert len(text) <= 4096
        assert max(len(run) for run in re.split(r"[^\u0300-\u036f]", text)) <= 30
    for cap in (worst(31), "a" * 4097):
        with pytest.raises(refusal):
            prepare(cap)


@pytest.mark.long(stands_in=f"{BOUNDED}[prepare_password-PasswordRejected-text0]")
@pytest.mark.parametrize("text", COSTLY)
@pytest.mark.parametrize(("prepare", "refusal"), PREPARE)
def test_it_is_refused_or_done_in_no_time(prepare: Callable[[str], str], refusal: type[Exception], text: str) -> None:
    spent = []
    for _ in range(3):
        started = time.thread_time()
        with suppress(refusal):
            prepare(text)
        spent.append(time.thread_time() - started)
    # The worst order took 40 ms; a password hash takes 20.
    assert min(spent) < 0.02


def test_combining_marks_of_real_scripts_are_accepted() -> None:
    assert prepare_password("Z\u0351\u036b\u0343algo " * 5) != ""
    assert prepare_password("e" + "\u0301" * 30) == "\u00e9" + "\u0301" * 29
    with pytest.raises(PasswordRejected):
        prepare_password("e" + "\u0301" * 31)
