"""The feed as a stream, from a real server: no gap, a snapshot where one is needed, an end when the server ends."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from server.feed import STREAM, events, open_stream
from server.test_shutdown import CUT_OFF
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until

SERVICE_TOKEN = "5d0c8a3f9e7b4126a1d94c6be80f2733"
Ended = Callable[[], str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("stream") / "data"
    with run_server(data, algorithm="ES256", revocation_staleness_seconds="4") as server:
        yield server


@pytest.fixture
def ended(server: ServerProcess) -> Ended:
    """Return a function that opens and ends a session, and returns its id."""
    body = {"email": f"reader{time.monotonic_ns()}@example.com", "password": PASSWORD}
    with server.client() as client:
        assert client.post("/auth/signup", json=body).status_code == 201

    def end() -> str:
        with server.client() as client:
            sid: str = client.post("/auth/login", json=body).json()["sid"]
            assert client.post("/auth/logout").json()["revoked"]
            return sid

    return end


def test_a_stream_is_a_snapshot_then_entries_then_heartbeats(server: ServerProcess, ended: Ended) -> None:
    before = ended()
    with httpx.stream("GET", server.url + "/auth/revocations", headers=STREAM, timeout=30) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        told = events(answer.iter_lines())
        opening, snapshot = next(told), next(told)
        assert (opening.name, snapshot.name, snapshot.data["after"]) == ("opening", "snapshot", 0)
        assert before in snapshot.keys
        after = ended()
        page = next(each for each in told if each.name != "heartbeat")
        assert (page.name, page.keys) == ("entries", [after])
        assert page.data["after"] == snapshot.data["sequence"]
        beats = [next(told) for _ in range(3)]
    assert {each.name for each in beats} == {"heartbeat"}
    assert {each.data["sequence"] for each in beats} == {page.data["sequence"]}
    assert {each.data["process"] for each in (snapshot, page, *beats)} == {opening.data["process"]}
    stamps = [each.data["stamp"] for each in (snapshot, page, *beats)]
    assert opening.data["clock"] <= stamps[0]
    assert stamps == sorted(set(stamps))


def test_a_reconnecting_reader_misses_no_event(server: ServerProcess, ended: Ended) -> None:
    with open_stream(server.url) as told:
        known = next(told)
    missed = [ended() for _ in range(3)]
    with open_stream(server.url, last_event_id=known.mark) as told:
        page = next(told)
        assert (page.name, page.keys) == ("entries", missed)
    with open_stream(server.url, f"?after={known.data['sequence']}") as told:
        assert next(told).keys == missed


@pytest.mark.parametrize("query", ["", "?after=0", "?seed=0"])
@pytest.mark.parametrize("comes_again", [False, True])
def test_a_stream_begins_with_the_nonce_of_its_question(server: ServerProcess, query: str, comes_again: bool) -> None:
    with open_stream(server.url) as told:
        mark = next(told).mark
    headers = STREAM | ({"last-event-id": mark} if comes_again else {})
    asked = f"{server.url}/auth/revocations{query}{'&' if query else '?'}nonce=aZ_-09"
    with httpx.stream("GET", asked, headers=headers, timeout=30) as answer:
        assert next(events(answer.iter_lines())).data["nonce"] == "aZ_-09"


def test_last_event_id_takes_precedence_over_after(server: ServerProcess, ended: Ended) -> None:
    ended()
    with open_stream(server.url, "?after=0") as told:
        known = next(told)
    last = ended()
    with open_stream(server.url, "?after=0", last_event_id=known.mark) as told:
        assert next(told).keys == [last]


@pytest.mark.parametrize("mark", ["1.0", "{log}.900"])
def test_a_reader_of_another_or_older_log_gets_a_snapshot(server: ServerProcess, ended: Ended, mark: str) -> None:
    last = ended()
    with open_stream(server.url) as told:
        log = next(told).data["log"]
    with open_stream(server.url, last_event_id=mark.format(log=log)) as told:
        page = next(told)
        assert (page.name, page.data["after"], page.keys[-1]) == ("snapshot", 0, last)


@pytest.mark.parametrize("mark", ["", "1", "x.1", "1.01", "1.-1", "1.2.3", "9" * 20 + ".1"])
def test_a_mark_that_is_none_is_refused(server: ServerProcess, mark: str) -> None:
    answer = httpx.get(server.url + "/auth/revocations", headers=STREAM | {"last-event-id": mark})
    assert (answer.status_code, answer.json()["member"]) == (400, "Last-Event-ID")


def test_a_stream_ends_when_the_log_cannot_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    with run_server(
        tmp_path_factory.mktemp("broken") / "data", algorithm="ES256", revocation_staleness_seconds="1"
    ) as server:
        with open_stream(server.url, seconds=5) as told:
            assert next(told).name == "snapshot"
            with sqlite3.connect(server.data / "keyturn.db") as store:
                store.execute("ALTER TABLE revocations RENAME TO elsewhere")
            with open_stream(server.url) as late:
                assert list(late) == []
            with pytest.raises(httpx.ReadTimeout):
                [next(told) for _ in range(20)]
        assert "unexpected" not in server.log.read_text()
        assert "feed stream ended" in server.log.read_text()


def test_a_server_that_stops_ends_its_streams_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    with run_server(tmp_path_factory.mktemp("stopping") / "data", algorithm="ES256") as server:
        with open_stream(server.url) as told:
            assert next(told).name == "snapshot"
            assert server.process is not None
            server.process.terminate()
            assert {each.name for each in told} <= {"heartbeat"}
            server.process.wait(30)
        assert CUT_OFF not in server.log.read_text(), "it waited for a reader"


def test_a_pipelined_request_does_not_delay_the_shutdown(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    asked = b"GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    with run_server(tmp_path_factory.mktemp("behind") / "data", algorithm="ES256") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(asked % b"/auth/revocations")
            assert b"event: opening" in _until(connection, b"event: snapshot")
            connection.sendall(asked % b"/healthz")
            time.sleep(0.2)
            assert server.process is not None
            server.process.terminate()
            assert b"0\r\n\r\n" in _until(connection, b"0\r\n\r\n")
            server.process.wait(30)
        assert CUT_OFF not in server.log.read_text(), "it waited for a reader"


def _until(connection: socket.socket, wanted: bytes) -> bytes:
    came = b""
    while wanted not in came:
        more = connection.recv(4096)
        assert more, came
        came += more
    return came


def test_open_streams_are_counted(server: ServerProcess) -> None:
    def count() -> float:
        lines = httpx.get(server.url + "/metrics").text.splitlines()
        return float(next(each for each in lines if each.startswith("keyturn_feed_streams ")).split()[1])

    until(lambda: count() == 0)
    with open_stream(server.url) as told:
        next(told)
        assert count() == 1
    until(lambda: count() == 0)


def test_in_production_the_stream_needs_the_service_token(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("closed") / "data"
    settings = {
        "KEYTURN_ENVIRONMENT": "production",
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
    server = ServerProcess(data, settings=settings)
    server.start()
    try:
        for accept in ("text/event-stream", "application/json"):
            assert httpx.get(server.url + "/auth/revocations", headers={"accept": accept}).status_code == 401
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {SERVICE_TOKEN}"}
        with httpx.stream("GET", server.url + "/auth/revocations", headers=headers) as feed:
            assert next(events(feed.iter_lines())).name == "opening"
    finally:
        server.stop()
