"""Poisoned password hashes: a row that asks for 100 GiB, for an hour, for 99 threads, or is no hash at all.

Sources: CWE-400, CWE-770 (costs taken from data without a bound); RFC 9106 section 3.1 for the bounds.
An attacker who can write one row must not be able to stop every login.
"""

import base64
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import ConfigurationError
from keyturn.passwords import MAX_MEMORY_KIB, Argon2Hasher, Argon2Parameters, argon2_hash
from keyturn.ports import PasswordCheck

CHEAP = Argon2Parameters(memory_cost=8, time_cost=1)
HASHER = Argon2Hasher(CHEAP, threads=1, queue=1)
GOOD = HASHER.hash("purple otters")
SALT, DIGEST = GOOD.split("$")[4:]
NO = PasswordCheck(matches=False)


@contextmanager
def watched() -> Iterator[list[tuple[int, int, int]]]:
    """Record time cost, memory cost in KiB and parallelism of each computed hash."""
    asked, real = list[tuple[int, int, int]](), argon2_hash.hash_secret_raw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argon2_hash, "hash_secret_raw", lambda *given: asked.append(given[2:5]) or real(*given))
        yield asked


@pytest.mark.parametrize(
    "parameters",
    [
        "m=104857600,t=1,p=1",
        f"m={MAX_MEMORY_KIB + 1},t=1,p=1",
        f"m={MAX_MEMORY_KIB},t=5,p=1",
        "m=9999999,t=9999,p=99",
        "m=4294967295,t=4294967295,p=16777215",
        "m=8,t=999999999,p=1",
        "m=1024,t=9999,p=1",
        "m=800,t=1,p=99",
        "m=136,t=1,p=17",
        "m=7,t=1,p=1",
        "m=8,t=1,p=2",
        "m=0,t=1,p=1",
        "m=8,t=0,p=1",
        "m=8,t=1,p=0",
        "m=-8,t=1,p=1",
        "m=08,t=1,p=1",
        "m=8,t=1,p=1,p=1",
        "m=\u0668,t=1,p=1",
    ],
)
def test_parameters_out_of_bounds_are_no_hash(parameters: str) -> None:
    with watched() as asked:
        assert HASHER.verify(f"$argon2id$v=19${parameters}${SALT}${DIGEST}", "purple otters") == NO
    assert asked == [(1, 8, 1)]


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "$",
        "purple otters",
        GOOD.replace("argon2id", "argon2i"),
        GOOD.replace("argon2id", "argon2d"),
        GOOD.replace("v=19", "v=16"),
        GOOD.replace("$v=19", ""),
        GOOD + "\n",
        GOOD + "$",
        " " + GOOD,
        GOOD.removesuffix(DIGEST),
        GOOD.replace(SALT, ""),
        GOOD.replace(SALT, "AAAAAAAAAAAAA"),
        GOOD.replace(DIGEST, "A" * 17),
        GOOD.replace(DIGEST, base64.b64encode(bytes(4)).decode().rstrip("=")),
        GOOD.replace(DIGEST, "A" * 10_000),
        GOOD.replace(SALT, "A" * 10_000),
        "$2b$12$" + "a" * 53,
        "\ud800",
        "\x00" * 100,
        "$argon2id" * 10_000,
    ],
    ids=itertools.count(),
)
def test_a_garbage_hash_does_not_match_and_does_not_raise(encoded: str) -> None:
    assert HASHER.verify(encoded, "purple otters") == NO


@given(
    st.one_of(
        st.text(max_size=120), st.from_regex(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
    )
)
def test_any_text_in_the_column_is_a_verdict(encoded: str) -> None:
    with watched() as asked:
        assert HASHER.verify(encoded, "purple otters") == NO
    ((passes, memory_kib, lanes),) = asked
    assert memory_kib * max(1, passes / 4) <= MAX_MEMORY_KIB
    assert lanes <= 16


@given(st.integers(0, len(GOOD) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_corrupted_hash_is_rejected_without_an_error(at: int, other: str) -> None:
    changed = GOOD[:at] + other + GOOD[at + 1 :]
    verdict = HASHER.verify(changed, "purple otters")
    # The last character of a base64 text carries unused bits: another spelling of the same octets may match.
    assert verdict == NO or changed == GOOD or at in (GOOD.rindex("$") - 1, len(GOOD) - 1)


@pytest.mark.parametrize(
    "mistake",
    [{"memory_cost": MAX_MEMORY_KIB + 1}, {"time_cost": 100}, {"parallelism": 0}, {"time_cost": 0}, {"memory_cost": 7}],
)
def test_our_own_parameters_obey_the_same_bounds(mistake: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Argon2Parameters(**mistake)
