"""Throttle bypass over HTTP: parallel requests, forged addresses and devices, other spellings, open sessions.

Sources: CWE-307, CWE-348 (X-Forwarded-For), CWE-799, PortSwigger "Smashing the state machine" (2023), OWASP "Slow
Down Online Guessing Attacks with Device Cookies", OWASP ASVS 5.0 6.3.1, NIST SP 800-63B-4 section 3.2.2,
CVE-2023-50448 and kin.
"""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from advisories.raw_http import (
    EMAIL,
    JSON_TYPE,
    OTHER,
    OTHER_PASSWORD,
    PASSWORD,
    Answer,
    RawClient,
    bearer,
    jar,
    make_client,
)
from keyturn.core.policy import ThrottlePolicy
from keyturn.core.throttle import Rate
from keyturn.web.client_address import client_address, parse_networks
from server_process import run_server

WRONG = "not the right words at all"
WINDOW = ThrottlePolicy().window_seconds
ACCOUNT = Rate(ThrottlePolicy().account_limit, WINDOW)
DEVICE = "__Host-kt_device"
SESSION = "__Host-kt_session"


class Clock:
    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> Iterator[RawClient]:
    with make_client(clock=clock) as made:
        made.signup()
        made.signup(OTHER, OTHER_PASSWORD)
        yield made


def guess(client: RawClient, email: str, *headers: tuple[bytes, bytes]) -> Answer:
    body = json.dumps({"email": email, "password": WRONG}).encode()
    return client.ask("POST", "/auth/login", [JSON_TYPE, *headers], body)


@pytest.mark.conforms("ASVS 6.3.1", "NIST SP 800-63B-4 3.2.2")
def test_a_parallel_burst_over_all_workers_stays_within_the_limit(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", workers=2, algorithm="ES256") as server:
        account = {"email": EMAIL, "password": PASSWORD}
        owner = server.client()
        assert owner.post("/auth/signup", json=account).status_code == 201
        wrong = {**account, "password": WRONG}

        # Forty connections at once, so that both workers take part.
        crowd = httpx.Client(base_url=server.url, timeout=60)

        def attack(_: int) -> tuple[int, str | None]:
            answer = crowd.post("/auth/login", json=wrong)
            return answer.status_code, answer.headers.get("retry-after")

        with crowd, ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(attack, range(120)))
            statuses = Counter(status for status, _ in answers)
            # The owner, on the browser that signed up, gets in while the attack runs.
            attacks = [pool.submit(attack, each) for each in range(40)]
            assert owner.post("/auth/login", json=account).status_code == 200
            assert {each.result()[0] for each in attacks} == {429}
        owner.close()
        assert statuses[401] == ACCOUNT.burst
        assert statuses[429] == 120 - ACCOUNT.burst
        assert all(int(retry or 0) >= 1 for status, retry in answers if status == 429)
        assert httpx.post(server.url + "/auth/login", json=account).status_code == 429


FORWARDED = [
    (b"x-forwarded-for", b"198.51.100.%d"),
    (b"forwarded", b"for=198.51.100.%d"),
    (b"x-real-ip", b"198.51.100.%d"),
    (b"x-client-ip", b"198.51.100.%d"),
    (b"true-client-ip", b"198.51.100.%d"),
    (b"cf-connecting-ip", b"198.51.100.%d"),
    (b"x-cluster-client-ip", b"198.51.100.%d"),
    (b"x-forwarded-for", b"198.51.100.%d, 203.0.113.9"),
    (b"x-forwarded", b"198.51.100.%d"),
    (b"via", b"1.1 198.51.100.%d"),
]


@pytest.mark.parametrize(("name", "value"), FORWARDED)
def test_a_claimed_client_address_does_not_change_the_bucket(clock: Clock, name: bytes, value: bytes) -> None:
    with make_client(clock=clock, login_limit_per_address=8) as client:
        answers = [guess(client, f"user{n}@example.com", (name, value % n)) for n in range(12)]
    assert Counter(each.status for each in answers) == {401: Rate(8, WINDOW).burst, 429: 12 - Rate(8, WINDOW).burst}


@pytest.mark.parametrize(
    "claimed", [b"198.51.100.%d, 192.0.2.1", b"garbage%d, 192.0.2.1", b"192.0.2.%d,, 192.0.2.1", b"%d,192.0.2.1"]
)
def test_only_the_address_appended_by_the_trusted_proxy_counts(clock: Clock, claimed: bytes) -> None:
    with make_client(clock=clock, login_limit_per_address=8, trusted_proxies="203.0.113.0/24") as client:
        answers = [guess(client, f"user{n}@example.com", (b"x-forwarded-for", claimed % n)) for n in range(12)]
        assert sum(each.status == 401 for each in answers) == Rate(8, WINDOW).burst
        # Two headers are one list: the proxy appends, or adds a line.
        beside = [(b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-for", b"192.0.2.1")]
        assert guess(client, "another@example.com", *beside).status == 429
        assert guess(client, "another@example.com", (b"x-forwarded-for", b"192.0.2.2")).status == 401


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "::ffff:a01:203"])
def test_a_trusted_proxy_is_recognised_as_ipv4_and_mapped_ipv6(peer: str) -> None:
    """Otherwise all clients behind the proxy would share one bucket, and one attacker could lock all of them out."""
    trusted = parse_networks(["10.0.0.0/8"])
    assert client_address(peer, [b"192.0.2.1"], trusted) == "192.0.2.1"
    assert client_address("::ffff:192.0.2.9", [b"192.0.2.1"], trusted) == "::ffff:192.0.2.9"


SPELLINGS = [
    EMAIL.upper(),
    "Ada@Example.Com",
    f" {EMAIL}",
    f"{EMAIL}\t",
    f"\u00a0{EMAIL}\u3000",
    "\uff41\uff44\uff41@example.com",
    "ada@\u212fxample.com",
    "a\u1d48a@example.com",
    "\u24d0\u24d3\u24d0@example.com",
    "ada\uff20example.com",
]


def test_another_spelling_of_the_address_is_the_same_account(client: RawClient) -> None:
    assert [guess(client, each).status for each in SPELLINGS * 2].count(401) == ACCOUNT.burst
    assert {guess(client, each).status for each in (EMAIL, *SPELLINGS)} == {429}
    # Every spelling logs in to this account: none is another account.
    device = jar({DEVICE: client.signup("third@example.com").cookies[DEVICE]})
    assert client.login(device, email="THIRD@example.com ").status == 200


@pytest.mark.parametrize(
    "spelling", [EMAIL.replace("@", "+1@"), "a.da@example.com", EMAIL + ".", "ada@xn--example.com"]
)
def test_a_look_alike_email_does_not_open_the_account(client: RawClient, spelling: str) -> None:
    assert client.login(email=spelling).status == 401


def exhaust(client: RawClient, email: str = EMAIL) -> None:
    while guess(client, email).status == 401:
        pass


def test_a_claimed_device_is_nobodys(client: RawClient) -> None:
    own = client.login().cookies[DEVICE]
    other = client.login(email=OTHER, password=OTHER_PASSWORD).cookies[DEVICE]
    exhaust(client)
    nonce, mac = own.removeprefix("kt_device_").split(".")
    forged = [
        other,
        f"kt_device_{'A' * 22}.{mac}",
        f"kt_device_{nonce}.{other.split('.')[1]}",
        f"kt_device_{nonce}.{'A' * 43}",
        own.lower() if own != own.lower() else own.upper(),
        own[:-1],
        own + "A",
        own + "." + mac,
    ]
    for device in forged:
        assert client.login(jar({DEVICE: device})).status == 429, device
    assert client.login(jar({DEVICE: own})).status == 200


def test_a_known_device_logs_in_during_an_attack_and_has_its_own_limit(client: RawClient) -> None:
    device = jar({DEVICE: client.login().cookies[DEVICE]})
    exhaust(client)
    assert client.login(device).status == 200
    # A stolen device cookie has a bucket of its own, no deeper than the account's.
    burst = Rate(ThrottlePolicy().device_limit, WINDOW).burst
    assert [guess(client, EMAIL, device).status for _ in range(burst + 4)] == [401] * burst + [429] * 4
    # And a successful login on it hands out no fresh one: the same mark, the same bucket.
    assert client.login(device).status == 429


def test_a_repeated_login_keeps_the_device_cookie(client: RawClient) -> None:
    first = client.login().cookies[DEVICE]
    assert client.login(jar({DEVICE: first})).cookies[DEVICE] == first


@pytest.mark.parametrize("credential", ["cookie", "bearer"])
@pytest.mark.conforms("ASVS 6.3.1")
def test_a_stolen_session_is_no_way_to_guess_the_password(client: RawClient, credential: str) -> None:
    issued = client.login()
    caller = jar({SESSION: issued.cookies[SESSION]}) if credential == "cookie" else bearer(issued.json["access_token"])
    statuses = []
    for turn in range(14):
        path = ("/auth/step-up", "/auth/password")[turn % 2]
        body = {"password": WRONG, "current_password": WRONG, "new_password": "entirely new and long enough"}
        statuses.append(client.json(path, body, caller).status)
    assert statuses.count(401) == Rate(ThrottlePolicy().device_limit, WINDOW).burst
    assert statuses.count(429) == 14 - statuses.count(401)
    # The right password gets the same refusal now. The session stays valid.
    assert client.json("/auth/step-up", {"password": PASSWORD}, caller).status == 429
    assert client.get("/auth/session", caller).status == 200
    # Another session of the same owner steps up as ever.
    second = bearer(client.login().json["access_token"])
    assert client.json("/auth/step-up", {"password": PASSWORD}, second).status == 200


def test_a_rejected_new_password_is_not_counted_as_a_guess(client: RawClient) -> None:
    caller = bearer(client.login().json["access_token"])
    for _ in range(12):
        body = {"current_password": PASSWORD, "new_password": "short"}
        assert client.json("/auth/password", body, caller).status == 422


def test_retry_after_is_the_truth(client: RawClient, clock: Clock) -> None:
    exhaust(client)
    wait = int(guess(client, EMAIL).values("retry-after")[0])
    clock.now += wait - 1
    assert client.login().status == 429
    clock.now += 1
    assert client.login().status == 200


def test_attacks_in_any_window_stay_below_the_limit(client: RawClient, clock: Clock) -> None:
    judged = []
    for _ in range(WINDOW * 2 // 30):
        clock.now += 30
        judged += [clock.now for _ in range(3) if guess(client, EMAIL).status == 401]
    for start in judged:
        assert sum(start <= each < start + WINDOW for each in judged) <= ACCOUNT.limit


def test_throttle_keys_are_bounded_and_contain_no_email(client: RawClient) -> None:
    longest = "a" * (254 - len("@example.com")) + "@example.com"
    for email in (
        longest,
        "x" + longest,
        "a" * 15_000 + "@b.c",
        "\ufdfa" * 900 + "@b.c",
        "\U0001f600@b.c",
        "'; DROP TABLE--@b.c",
    ):
        assert guess(client, email).status in (400, 401)
    keys = list(client.parts.store.store.throttles._buckets)
    assert keys
    assert max(map(len, keys)) < 64
    assert not any("@" in key for key in keys)
