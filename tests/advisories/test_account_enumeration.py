"""Account enumeration: by what a refused login says, by how long it takes, and by what it makes the server do.

Sources: CWE-203, CWE-204, CWE-208, OWASP ASVS 5.0 6.3.8, OWASP Authentication Cheat Sheet, CVE-2024-39329 (Django:
timing of unusable passwords). Signup says that an account exists: it is documented, and limited per address.
"""

import json
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from advisories.raw_http import EMAIL, JSON_TYPE, OTHER, OTHER_PASSWORD, PASSWORD, Answer, RawClient, jar, make_client
from keyturn.core.types import Subject
from keyturn.issuer import Issuer
from server_process import run_server

UNKNOWN = "nobody@example.com"
WRONG = "not the right words at all"
# NUL, and overlong: refused before hashing, for every account. (A lone surrogate is no JSON string.)
UNUSABLE = ["a" * 5000, "a\x00b" * 6, "", "\u0301" * 300]


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    # No throttling of sixteen wrong passwords: this test compares the refusals.
    with make_client(login_limit_per_account=100) as made:
        made.signup()
        subject = made.signup(OTHER, OTHER_PASSWORD).json["subject"]
        made.runner.run(made.issuer.set_disabled(Subject(subject), True))
        yield made


def attempt(client: RawClient, email: str, password: str, *headers: tuple[bytes, bytes]) -> Answer:
    body = json.dumps({"email": email, "password": password}).encode()
    return client.ask("POST", "/auth/login", [JSON_TYPE, *headers], body)


@pytest.mark.parametrize("password", [WRONG, *UNUSABLE])
@pytest.mark.conforms("ASVS 6.3.8 (login)")
def test_unknown_wrong_and_disabled_answer_byte_for_byte_alike(client: RawClient, password: str) -> None:
    answers = {attempt(client, email, password) for email in (EMAIL, UNKNOWN, OTHER)}
    answers |= {attempt(client, OTHER, OTHER_PASSWORD), attempt(client, EMAIL.upper(), password)}
    assert len(answers) == 1
    assert answers.pop().json["code"] == "login_failed"


def test_nor_do_they_differ_to_a_browser_with_a_history(client: RawClient) -> None:
    device = client.login().cookies["__Host-kt_device"]
    answers = {attempt(client, email, WRONG, jar({"__Host-kt_device": device})) for email in (EMAIL, UNKNOWN, OTHER)}
    assert len(answers) == 1


@pytest.mark.parametrize(
    "email", ["", "x", "@", "a@", "a b@c.d", "a" * 300 + "@b.c", "a@b@c", "\ud800@b.c", "a\u200b@b.c"]
)
def test_an_invalid_email_is_refused_before_the_account_lookup(client: RawClient, email: str) -> None:
    assert attempt(client, email, WRONG).status == 400


class Watched:
    """A port that notes what it is asked."""

    def __init__(self, port: Any, noted: list[str]) -> None:
        self._port = port
        self._noted = noted

    def __getattr__(self, verb: str) -> Any:
        self._noted.append(verb)
        return getattr(self._port, verb)


def work_of(email: str, password: str, disabled: str = "") -> list[str]:
    """Everything the server does for this attempt, step by step."""
    noted: list[str] = []
    with make_client() as client:
        for each, secret in ((EMAIL, PASSWORD), (OTHER, OTHER_PASSWORD)):
            subject = client.signup(each, secret).json["subject"]
            if each == disabled:
                client.runner.run(client.issuer.set_disabled(Subject(subject), True))
        ports = client.parts.ports
        for name in ("accounts", "sessions", "throttles", "hasher", "audit"):
            object.__setattr__(ports, name, Watched(getattr(ports, name), noted))
        watched = [*noted]
        # The application holds its own copy of the ports: ask the issuer, whose flow is the same.
        with pytest.raises(Exception, match="unknown account, disabled account or wrong"):
            client.runner.run(client.issuer.login(email, password))
    return noted[len(watched) :]


@pytest.mark.parametrize("password", [WRONG, "\ud800" * 20, *UNUSABLE])
@pytest.mark.conforms("ASVS 6.3.8 (login)")
def test_the_same_work_is_done_step_by_step(password: str) -> None:
    unknown = work_of(UNKNOWN, password)
    assert unknown.count("verify") == 1
    assert "hash" not in unknown
    assert work_of(EMAIL, password) == unknown
    assert work_of(OTHER, password, disabled=OTHER) == unknown


def test_a_disabled_account_with_the_right_password_costs_the_same_too() -> None:
    assert work_of(OTHER, OTHER_PASSWORD, disabled=OTHER) == work_of(UNKNOWN, WRONG)


def test_a_throttled_reply_is_the_same_for_every_account() -> None:
    """Give the same number of guesses, the same message and the same Retry-After for every account and password."""
    heard = []
    for email, password in ((EMAIL, WRONG), (UNKNOWN, WRONG), (OTHER, OTHER_PASSWORD), (EMAIL, "a" * 5000)):
        with make_client(clock=lambda: 1_900_000_000.0) as client:
            client.signup()
            subject = client.signup(OTHER, OTHER_PASSWORD).json["subject"]
            client.runner.run(client.issuer.set_disabled(Subject(subject), True))
            heard.append([attempt(client, email, password) for _ in range(14)])
            # The right password gets the same refusal while the account is throttled.
            heard[-1].append(attempt(client, email, PASSWORD))
    assert heard[0] == heard[1] == heard[2] == heard[3]
    assert {answer.status for answer in heard[0]} == {401, 429}


def test_signup_is_the_documented_exception_and_counts_per_address() -> None:
    with make_client(signup_limit_per_address=8) as client:
        assert client.signup().status == 201
        answers = [client.signup(password="quite another long password") for _ in range(8)]
        assert [each.status for each in answers] == [409] * 5 + [429] * 3
        # A free identifier answers the same from there on: the oracle is closed.
        assert client.signup("free@example.com").status == 429


def test_signup_judges_the_password_before_it_says_whether_the_account_exists(client: RawClient) -> None:
    taken, free = client.signup(password="short"), client.signup("free.too@example.com", "short")
    assert (taken.status, taken) == (422, free)


ROUNDS = 25


@pytest.mark.long(
    stands_in="tests/advisories/test_account_enumeration.py::"
    "test_the_same_work_is_done_step_by_step[not the right words at all]"
)
def test_login_timing_does_not_distinguish_unknown_disabled_and_wrong(tmp_path: Path) -> None:
    """Interleaved: whatever else this machine does hits all alike. Noise goes when more is measured, a leak stays."""
    with run_server(tmp_path / "data", algorithm="ES256", login_limit_per_account="100") as server:
        with server.client() as browser:
            subject = ""
            for email, password in ((EMAIL, PASSWORD), (OTHER, OTHER_PASSWORD)):
                subject = browser.post("/auth/signup", json={"email": email, "password": password}).json()["subject"]
        with Issuer.from_env(data_dir=str(server.data), issuer=server.url, background=False) as issuer:
            issuer.set_disabled(Subject(subject), True)
        taken: dict[str, list[float]] = {EMAIL: [], UNKNOWN: [], OTHER: []}
        with server.client() as client:
            for _ in range(3):
                measure(client, taken)
                typical = {email: statistics.quantiles(each, n=4)[0] for email, each in taken.items()}
                if max(typical.values()) / min(typical.values()) < 1.15:
                    break
    assert min(typical.values()) > 0.005, "no password was hashed"
    assert max(typical.values()) / min(typical.values()) < 1.15, typical


def measure(client: httpx.Client, taken: dict[str, list[float]]) -> None:
    for turn in range(ROUNDS):
        # The order differs in every round: no kind is always first.
        for email in [*taken][turn % 3 :] + [*taken][: turn % 3]:
            started = time.perf_counter()
            answer = client.post("/auth/login", json={"email": email, "password": WRONG})
            taken[email].append(time.perf_counter() - started)
            assert answer.status_code == 401


def test_no_other_endpoint_takes_an_address(client: RawClient) -> None:
    document = client.get("/openapi.json").json
    takers = {path for path, item in document["paths"].items() if re.search(r"LoginRequest", json.dumps(item))}
    assert takers == {"/auth/login", "/auth/signup"}
