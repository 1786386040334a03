"""Health, metrics, forwarded addresses, and a flood of logins."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import pytest

from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until

BOUND_SECONDS = 30
SERVICE_TOKEN = "5d0c8a3f9e7b4126a1d94c6be80f2733"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with run_server(
        tmp_path_factory.mktemp("operations") / "data",
        algorithm="ES256",
        revocation_staleness_seconds=str(BOUND_SECONDS),
        hash_threads="1",
        hash_queue="4",
        login_limit_per_address="8",
        service_token=SERVICE_TOKEN,
    ) as server:
        yield server


def test_a_forged_forwarding_header_is_no_way_around_the_throttle(server: ServerProcess) -> None:
    statuses = []
    for number in range(14):
        headers = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=198.51.100.{number}"}
        body = {"email": f"nobody{number}@example.com", "password": PASSWORD}
        statuses.append(httpx.post(server.url + "/auth/login", json=body, headers=headers).status_code)
    assert statuses[0] == 401
    assert statuses[-1] == 429


def test_a_trusted_proxy_names_the_client_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("proxied") / "data"
    with run_server(data, algorithm="ES256", trusted_proxies="127.0.0.0/8", login_limit_per_address="8") as server:
        body = {"email": "ada@example.com", "password": PASSWORD}
        with server.client() as client:
            client.post("/auth/signup", json=body, headers={"x-forwarded-for": "203.0.113.7, 198.51.100.9"})
            assert [each["address"] for each in client.get("/auth/sessions").json()["sessions"]] == ["198.51.100.9"]
        for number in range(14):
            headers = {"x-forwarded-for": f"198.51.100.{number}"}
            body = {"email": f"nobody{number}@example.com", "password": PASSWORD}
            assert httpx.post(server.url + "/auth/login", json=body, headers=headers).status_code == 401


def test_the_server_says_how_it_is(server: ServerProcess) -> None:
    assert httpx.get(server.url + "/livez").json() == {"status": "alive"}
    assert httpx.get(server.url + "/readyz").json() == {"status": "ready", "store": True, "feed": True}
    httpx.get(server.url + "/auth/session")
    httpx.get(server.url + "/a/path/of/my/choosing")
    text = httpx.get(server.url + "/metrics").text
    assert 'keyturn_http_requests_total{route="/auth/session",status="401"}' in text
    assert 'keyturn_http_requests_total{route="unmatched",status="404"}' in text
    assert 'keyturn_refusals_total{code="unauthenticated"}' in text
    assert "choosing" not in text
    age = next(line for line in text.splitlines() if line.startswith("keyturn_feed_age_seconds"))
    assert 0 <= float(age.split()[-1]) <= BOUND_SECONDS


def test_a_flood_of_logins_is_turned_away_and_others_are_served(server: ServerProcess) -> None:
    replies, served_others, numbers = list[httpx.Response](), Event(), count()

    def flood() -> None:
        while not served_others.is_set():
            body = {"email": f"flood{next(numbers)}@example.com", "password": PASSWORD}
            replies.append(httpx.post(server.url + "/auth/signup", json=body, timeout=30))

    with ThreadPoolExecutor(24) as pool:
        floods = [pool.submit(flood) for _ in range(24)]
        try:
            until(lambda: {each.status_code for each in replies} >= {201, 503})
            for _ in range(4):
                assert httpx.get(server.url + "/.well-known/jwks.json", timeout=30).status_code == 200
        finally:
            served_others.set()
    assert [each.result() for each in floods] == [None] * 24
    turned_away = [each for each in replies if each.status_code == 503]
    assert {each.status_code for each in replies} == {201, 503}
    assert {each.json()["code"] for each in turned_away} == {"overloaded"}
    assert all(int(each.headers["retry-after"]) >= 1 for each in turned_away)


def test_an_answered_poll_of_the_feed_is_no_line_of_the_log(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256") as server:
        for path in ("/auth/revocations", "/auth/revocations?after=nonsense", "/auth/session"):
            httpx.get(server.url + path)
    # Read after the server has ended: a line may be written after the response has arrived.
    lines = [line for line in server.log.read_text().splitlines() if '"event": "request"' in line]
    log_lines = [(record["route"], record["status"]) for record in map(json.loads, lines)]
    assert log_lines == [("/auth/revocations", 400), ("/auth/session", 401)]


def test_a_security_event_is_a_line_of_the_log_with_its_fields(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", algorithm="ES256") as server:
        body = {"email": "ada@example.com", "password": PASSWORD}
        subject = httpx.post(server.url + "/auth/signup", json=body).json()["subject"]
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (event,) = [each for each in lines if each["event"] == "signup"]
    assert (event["level"], event["subject"]) == ("info", subject)
    assert event["timestamp"].endswith("Z")
