"""Health, metrics, forwarded addresses, a flood of logins, and the feed as a stream."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from served import Served, serving
from served.process import PASSWORD

SERVICE_TOKEN = "5d0c8a3f9e7b4126a1d94c6be80f2733"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(
        tmp_path_factory.mktemp("operations") / "data",
        algorithm="ES256",
        staleness_seconds="1",
        hash_threads="1",
        hash_queue="4",
        address_limit="8",
        service_token=SERVICE_TOKEN,
    ) as server:
        yield server


def test_a_forged_forwarding_header_is_no_way_around_the_throttle(served: Served) -> None:
    statuses = []
    for number in range(14):
        headers = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=198.51.100.{number}"}
        body = {"email": f"nobody{number}@example.com", "password": PASSWORD}
        statuses.append(httpx.post(served.url + "/auth/login", json=body, headers=headers).status_code)
    assert statuses[0] == 401
    assert statuses[-1] == 429


def test_a_trusted_proxy_says_who_is_calling(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("proxied") / "data"
    with serving(data, algorithm="ES256", trusted_proxies="127.0.0.0/8", address_limit="8") as served:
        body = {"email": "ada@example.com", "password": PASSWORD}
        with served.client() as client:
            client.post("/auth/signup", json=body, headers={"x-forwarded-for": "203.0.113.7, 198.51.100.9"})
            assert [each["address"] for each in client.get("/auth/sessions").json()["sessions"]] == ["198.51.100.9"]
        for number in range(14):
            headers = {"x-forwarded-for": f"198.51.100.{number}"}
            body = {"email": f"nobody{number}@example.com", "password": PASSWORD}
            assert httpx.post(served.url + "/auth/login", json=body, headers=headers).status_code == 401


def test_the_server_says_how_it_is(served: Served) -> None:
    assert httpx.get(served.url + "/livez").json() == {"status": "alive"}
    assert httpx.get(served.url + "/readyz").json() == {"status": "ready", "store": True, "feed": True}
    httpx.get(served.url + "/auth/session")
    httpx.get(served.url + "/a/path/of/my/choosing")
    text = httpx.get(served.url + "/metrics").text
    assert 'keyturn_requests_total{route="/auth/session",status="401"}' in text
    assert 'keyturn_requests_total{route="unmatched",status="404"}' in text
    assert 'keyturn_refusals_total{code="unauthenticated"}' in text
    assert "choosing" not in text
    age = next(line for line in text.splitlines() if line.startswith("keyturn_feed_age_seconds"))
    assert 0 <= float(age.split()[-1]) < 1


def test_a_flood_of_logins_is_turned_away_and_others_are_served(served: Served) -> None:
    def sign_up(number: int) -> httpx.Response:
        body = {"email": f"flood{number}@example.com", "password": PASSWORD}
        return httpx.post(served.url + "/auth/signup", json=body, timeout=30)

    with ThreadPoolExecutor(24) as pool:
        flood = [pool.submit(sign_up, number) for number in range(48)]
        waits = []
        while not all(each.done() for each in flood):
            started = time.monotonic()
            assert httpx.get(served.url + "/.well-known/jwks.json").status_code == 200
            waits.append(time.monotonic() - started)
    replies = [each.result() for each in flood]
    turned_away = [each for each in replies if each.status_code == 503]
    assert {each.status_code for each in replies} == {201, 503}
    assert {each.json()["code"] for each in turned_away} == {"overloaded"}
    assert all(int(each.headers["retry-after"]) >= 1 for each in turned_away)
    assert len(waits) > 3


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, object]]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_feed_streams_a_snapshot_then_entries_then_heartbeats(served: Served) -> None:
    with served.client() as client:
        body = {"email": "reader@example.com", "password": PASSWORD}
        issued = client.post("/auth/signup", json=body).json()
        with httpx.stream(
            "GET", served.url + "/auth/revocations", headers={"accept": "text/event-stream"}, timeout=10
        ) as feed:
            assert feed.headers["content-type"].startswith("text/event-stream")
            assert feed.headers["cache-control"] == "no-store"
            news = events(feed.iter_lines())
            name, snapshot = next(news)
            assert (name, snapshot["complete"]) == ("snapshot", True)
            client.post("/auth/logout")
            name, page = next(each for each in news if each[0] != "heartbeat")
            assert (name, page["entries"][0]["key"]) == ("entries", issued["sid"])  # type: ignore[index]
            name, beat = next(news)
            assert (name, beat["sequence"]) == ("heartbeat", page["sequence"])
            assert 0 <= float(str(beat["age_seconds"])) < 1
        resumed = f"{served.url}/auth/revocations?after={snapshot['sequence']}"
        with httpx.stream("GET", resumed, headers={"accept": "text/event-stream"}, timeout=10) as feed:
            name, page = next(events(feed.iter_lines()))
            assert (name, page["entries"][0]["key"]) == ("entries", issued["sid"])  # type: ignore[index]


def test_a_stream_begins_only_where_the_store_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("broken") / "data", algorithm="ES256", staleness_seconds="1") as served:
        with sqlite3.connect(served.data / "keyturn.db") as store:
            store.execute("ALTER TABLE revocations RENAME TO elsewhere")
        reply = httpx.get(served.url + "/auth/revocations", headers={"accept": "text/event-stream"})
        assert (reply.status_code, reply.json()["code"]) == (503, "store_unavailable")
        assert "unexpected" not in served.log.read_text()


def test_an_answered_poll_of_the_feed_is_no_line_of_the_log(tmp_path: Path) -> None:
    with serving(tmp_path / "data", algorithm="ES256") as served:
        for path in ("/auth/revocations", "/auth/revocations?after=nonsense", "/auth/session"):
            httpx.get(served.url + path)
        lines = [line for line in served.log.read_text().splitlines() if '"event": "request"' in line]
    said = [(record["route"], record["status"]) for record in map(json.loads, lines)]
    assert said == [("/auth/revocations", 400), ("/auth/session", 401)]


def test_in_production_the_stream_needs_the_service_token(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("closed") / "data"
    settings = {
        "KEYTURN_PROFILE": "production",
        "KEYTURN_SECRET": "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef",
        "KEYTURN_SERVICE_TOKEN": SERVICE_TOKEN,
        "KEYTURN_ISSUER": "https://auth.example.com",
        "KEYTURN_AUDIENCE": "orders",
        "KEYTURN_STORE": f"sqlite:///{data}/keyturn.db",
        "KEYTURN_ALGORITHM": "ES256",
    }
    data.mkdir()
    add = [sys.executable, "-c", "from keyturn.cli import app; app()", "keys", "add"]
    subprocess.run(add, env={**os.environ, **settings}, check=True, timeout=60, capture_output=True)
    served = Served(data, settings=settings)
    served.start()
    try:
        for accept in ("text/event-stream", "application/json"):
            assert httpx.get(served.url + "/auth/revocations", headers={"accept": accept}).status_code == 401
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {SERVICE_TOKEN}"}
        with httpx.stream("GET", served.url + "/auth/revocations", headers=headers) as feed:
            assert next(events(feed.iter_lines()))[0] == "snapshot"
    finally:
        served.stop()
