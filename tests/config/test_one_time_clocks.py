"""One-time values of an issuer whose wall clock is wrong at any of their steps: put, exchange, proof, purge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.test_store_clock import DAY, HOUR, Clocks, open_issuer, purge
from keyturn import Issuer
from keyturn.core.one_time import LIMITS, MARGIN_SECONDS, OneTimeKind, OneTimeValue
from keyturn.core.types import Instant
from keyturn.errors import Refusal
from keyturn.flows import Flow, call, drive
from keyturn.flows.one_time import exchange_one_time, put_one_time, register_proof
from keyturn.ports import Entropy

STEPS = [10, -10, 2 * HOUR, -2 * HOUR, 40 * DAY, -40 * DAY]
LIFETIME = 60
CODE = OneTimeKind.CODE


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def issuer(tmp_path: Path, clocks: Clocks) -> Iterator[Issuer]:
    with open_issuer(tmp_path, clocks) as issuer:
        yield issuer


def run(issuer: Issuer, flow: Any, *arguments: Any) -> Any:
    """Return the result of a flow, or the code of its refusal."""
    now, config = issuer.parts.present()
    try:
        return drive(flow(*arguments, now, config), issuer.parts.sync_ports)
    except Refusal as refusal:
        return refusal.code


def put(issuer: Issuer) -> str:
    return str(run(issuer, put_one_time, CODE, "ada", b"", LIFETIME))


def make(value: OneTimeValue) -> Flow[str]:
    yield from call(Entropy.token_bytes, 1)
    return f"ok {len(value.made)}"


def exchange(issuer: Issuer, text: str) -> str:
    return str(run(issuer, exchange_one_time, CODE, text, make))


@pytest.mark.parametrize("step", STEPS)
def test_a_code_is_exchanged_or_waits_while_the_clock_is_wrong(issuer: Issuer, clocks: Clocks, step: int) -> None:
    text = put(issuer)
    clocks.offset = step
    said = exchange(issuer, text)
    # Live by each clock, too, if one is behind.
    assert said == ("ok 22" if step < LIFETIME else "clock_uncertain")
    clocks.offset = 0
    assert exchange(issuer, text) == ("token_reused" if said == "ok 22" else "ok 22")


@pytest.mark.parametrize("step", STEPS)
def test_an_expired_code_is_never_exchanged_while_the_clock_is_wrong(issuer: Issuer, clocks: Clocks, step: int) -> None:
    text = put(issuer)
    clocks.elapsed = LIFETIME
    clocks.offset = step
    assert exchange(issuer, text) in ("token_expired", "clock_uncertain")
    clocks.offset = 0
    assert exchange(issuer, text) == "token_expired"


@pytest.mark.parametrize("step", STEPS)
def test_a_code_put_while_the_clock_is_wrong_is_valid_or_refused(issuer: Issuer, clocks: Clocks, step: int) -> None:
    clocks.offset = step
    text = put(issuer)
    clocks.offset = 0
    if abs(step) < LIFETIME:
        assert exchange(issuer, text) == "ok 22"
    else:
        assert text == "clock_uncertain"


@pytest.mark.parametrize("step", STEPS)
def test_a_wrong_clock_purges_neither_a_code_nor_a_mark(issuer: Issuer, clocks: Clocks, step: int) -> None:
    spent, live = put(issuer), put(issuer)
    assert exchange(issuer, spent) == "ok 22"
    clocks.offset = step
    purge(issuer)
    clocks.offset = 0
    assert (exchange(issuer, live), exchange(issuer, spent)) == ("ok 22", "token_reused")


def test_a_mark_is_purged_when_no_issuer_would_accept_its_value(issuer: Issuer, clocks: Clocks) -> None:
    text = put(issuer)
    assert exchange(issuer, text) == "ok 22"
    clocks.elapsed = LIFETIME + MARGIN_SECONDS - 1
    purge(issuer)
    assert exchange(issuer, text) == "token_reused"
    clocks.elapsed += 1
    purge(issuer)
    assert exchange(issuer, text) == "token_invalid"


@pytest.mark.parametrize("step", STEPS)
def test_a_proof_is_accepted_once_whatever_the_clock_shows(issuer: Issuer, clocks: Clocks, step: int) -> None:
    put(issuer)
    run(issuer, _register, "first", 0)  # the store is complete since then
    clocks.elapsed = 60
    said = [run(issuer, _register, "jti", 60)]
    clocks.offset = step
    purge(issuer)
    said.append(run(issuer, _register, "jti", 60))
    clocks.offset = 0
    clocks.elapsed += LIMITS[OneTimeKind.PROOF].lifetime_seconds
    purge(issuer)
    said.append(run(issuer, _register, "jti", 60))
    assert said[0] is None
    assert said[1] in ("token_reused", "clock_uncertain")
    assert said[2] == "token_expired"


def _register(text: str, issued_after: int, now: Instant, config: Any) -> Flow[None]:
    return register_proof(text, "ada", Instant(1_800_000_000 + issued_after), now, config)
