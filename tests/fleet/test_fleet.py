"""Three issuers behind nginx and two services under load, while an issuer is killed and the signing key rolls over.

No request fails, and no revoked token is accepted past the bound.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from effort import effort
from figures import keep
from fleet.environment import PUBLISH_SECONDS, Fleet, Service, run_fleet
from fleet.load import USER_COUNT, Ledger, User
from keyturn.tokens.encoding import decode_base64url
from server_process.process import PASSWORD
from services.process import until

SECONDS = effort(4, 16)
BOUND_SECONDS = 5.0

OPERATOR = {"email": "operator@example.com", "password": PASSWORD, "deliver": "tokens"}

Note = Callable[[str, object], None]


def quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def rolled_over(fleet: Fleet) -> tuple[set[str], set[str]]:
    """Kill and restart an issuer, and roll the key over. Return the signing keys before and after."""
    time.sleep(SECONDS / 5)
    httpx.post(fleet.url + "/auth/signup", json=OPERATOR, timeout=30).raise_for_status()
    before = signing(fleet)
    victim = fleet.issuers[1]
    victim.kill()
    fleet.command("keys", "add")
    added_at = time.monotonic()
    time.sleep(SECONDS / 4)
    victim.start()
    time.sleep(max(0.0, added_at + PUBLISH_SECONDS - time.monotonic()))  # it cannot sign before
    until(lambda: before.isdisjoint(signing(fleet)), lambda: "the key does not change", 60)
    return before, signing(fleet)


def signing(fleet: Fleet) -> set[str]:
    """Return the kids that the issuers sign with."""
    return {key_of(httpx.post(each.url + "/auth/login", json=OPERATOR, timeout=30)) for each in fleet.issuers}


def key_of(answer: httpx.Response) -> str:
    header = answer.json()["access_token"].partition(".")[0]
    return str(json.loads(decode_base64url(header.encode()))["kid"])


def test_a_fleet_loses_an_issuer_and_changes_its_key_under_load(tmp_path: Path, record_property: Note) -> None:
    with run_fleet(tmp_path) as fleet, ExitStack() as stack:
        services = [stack.enter_context(closing(Service(fleet.url))) for _ in range(2)]
        ledger, stop = Ledger(services), threading.Event()
        users = [User(fleet.url, number, ledger, stop) for number in range(USER_COUNT)]
        began_at = time.monotonic()
        for each in users:
            each.start()
        before, after = rolled_over(fleet)
        while time.monotonic() - began_at < SECONDS + PUBLISH_SECONDS:
            time.sleep(0.1)
        stop.set()
        for each in users:
            each.join(60)
        seconds = time.monotonic() - began_at
        time.sleep(BOUND_SECONDS + 1)  # what is accepted late can only be seen later
        for each in services:
            until(lambda: all(map(each.has_refused, ledger.revoked)), lambda: "not all was refused", 60)  # noqa: B023 - at once
        still = [is_valid_after(fleet, token) for token in ledger.alive.values()]
        verdicts = [each.verdicts() for each in services]
    assert (len(before), len(after)) == (1, 1), "one key at a time"
    assert ledger.failed == []
    assert min(len(still), ledger.refreshes, len(ledger.revoked)) > 1, "too little was done to judge"
    assert all(still), "somebody was logged out who was not revoked"
    for each in verdicts:
        assert each["others"] == []
        late = {
            sid: each["accepted"][sid] - at
            for sid, at in ledger.revoked.items()
            if each["accepted"].get(sid, 0.0) > at + BOUND_SECONDS
        }
        assert late == {}
        assert set(each["refused"]) <= set(ledger.revoked)
    waits = sorted(
        max(0.0, each["refused"][sid] - at)
        for each in verdicts
        for sid, at in ledger.revoked.items()
        if sid in each["refused"]
    )
    assert len(waits) == len(services) * len(ledger.revoked), "all were seen to be refused, by both"
    figures = {
        "requests": ledger.requests,
        "failed": len(ledger.failed),
        "refreshes": ledger.refreshes,
        "revocations": len(ledger.revoked),
        "checks_by_services": sum(each["checks"] for each in verdicts),
        "unknown_by_services": sum(each["unknown"] for each in verdicts),
        "accepted_after_bound": 0,
        "wrong_logouts": 0,
        "revoke_to_refusal_seconds": {
            "p50": quantile(waits, 0.5),
            "p99": quantile(waits, 0.99),
            "max": waits[-1],
            "samples": len(waits),
        },
        "seconds": seconds,
    }
    record_property("figure", summary(figures))
    keep("fleet", "fleet", figures)


def is_valid_after(fleet: Fleet, refresh_token: str) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return httpx.post(fleet.url + "/auth/token", data=form, timeout=30).status_code == 200


def summary(figures: dict[str, object]) -> str:
    waits = figures["revoke_to_refusal_seconds"]
    assert isinstance(waits, dict)
    return (
        f"fleet: 3 issuers behind nginx, one killed, key rolled over, {figures['seconds']:.0f} s: "
        f"{figures['requests']} requests, {figures['failed']} failed; {figures['refreshes']} refreshes; "
        f"{figures['revocations']} revocations, accepted after the bound: 0; from acknowledged to refused in two "
        f"services: p50 {1e3 * waits['p50']:.1f} ms, p99 {1e3 * waits['p99']:.1f} ms, max {1e3 * waits['max']:.1f} ms "
        f"({waits['samples']}); {figures['checks_by_services']} checks, {figures['unknown_by_services']} unknown"
    )


@pytest.mark.parametrize("name", ["issuer-1", "issuer-2", "issuer-3"])
def test_the_configuration_of_nginx_is_the_one_that_is_documented(name: str) -> None:
    assert f"{name}:8000" in (Path(__file__).parents[2] / "deploy" / "nginx" / "keyturn.conf").read_text()
