"""Several workers on one SQLite file: a revocation reaches all of them, and none of them is needed."""

import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from effort import effort
from server.workers import WorkerConnection, connect_to_each_worker, workers
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until

WORKERS = 3
BOUND_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
ROUNDS = effort(4, 12)

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to tell workers apart")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("workers") / "data"
    with run_server(data, workers=WORKERS, algorithm="ES256", hash_threads="1") as server:
        with server.client() as client:
            client.post("/auth/signup", json={"email": "ada@example.com", "password": PASSWORD})
        yield server


def login(server: ServerProcess, deliver: str = "both") -> tuple[dict[str, str], str]:
    """Log in. Return the reply and its Cookie header."""
    body = {"email": "ada@example.com", "password": PASSWORD, "deliver": deliver}
    with server.client() as client:
        reply = client.post("/auth/login", json=body)
        assert reply.status_code == 200
        return reply.json(), f"kt_session={client.cookies['kt_session']}"


def send_requests(line: WorkerConnection, headers: dict[str, str], asked: list[tuple[float, int]]) -> None:
    """Ask until refused and a little longer. ``asked``: when each question went out, and its status."""
    after_the_end, give_up_at = 0, time.monotonic() + PATIENCE_SECONDS
    while after_the_end < 20 and time.monotonic() < give_up_at:
        sent_at = time.monotonic()
        status, _ = line("/auth/session", **headers)
        asked.append((sent_at, status))
        after_the_end += status == 401
        time.sleep(0.0005)


@pytest.mark.parametrize("credential", ["cookie", "bearer"])
def test_a_revocation_reaches_every_worker_within_the_bound(server: ServerProcess, credential: str) -> None:
    latest: list[float] = []
    with connect_to_each_worker(server, WORKERS) as lines:
        for _ in range(ROUNDS):
            issued, cookie = login(server)
            bearer = {"authorization": f"Bearer {issued['access_token']}"}
            asked = run_round(lines, {"cookie": cookie} if credential == "cookie" else bearer, bearer)
            latest += asked
    print(
        f"\nrevoked to refused by {credential}, {ROUNDS} rounds on {WORKERS} workers: "
        f"p50 {statistics.median(latest) * 1000:.1f} ms, max {max(latest) * 1000:.1f} ms"
    )
    # Holds at any speed: a worker that has had no news for the bound accepts nothing.
    assert max(latest) < BOUND_SECONDS


def run_round(lines: dict[int, WorkerConnection], headers: dict[str, str], revoking: dict[str, str]) -> list[float]:
    """How long after the revocation was acknowledged each worker last accepted a question; 0 when never."""
    asked: dict[int, list[tuple[float, int]]] = {pid: [] for pid in lines}
    threads = [threading.Thread(target=send_requests, args=(line, headers, asked[pid])) for pid, line in lines.items()]
    for each in threads:
        each.start()
    while not all(asked.values()):
        time.sleep(0.01)
    time.sleep(0.05)
    assert {status for each in asked.values() for _, status in each} == {200}
    with httpx.Client() as client:
        assert client.post(next(iter(lines.values())).url + "/auth/logout", headers=revoking).status_code == 200
    revoked_at = time.monotonic()
    for each in threads:
        each.join(2 * PATIENCE_SECONDS)
    assert {each[-1][1] for each in asked.values()} == {401}
    return [max(0.0, max(at for at, status in each if status == 200) - revoked_at) for each in asked.values()]


def test_a_killed_worker_is_replaced_and_sessions_survive(server: ServerProcess) -> None:
    _, cookie = login(server)
    before = workers(server)
    assert len(before) == WORKERS
    stop, answers = threading.Event(), set[int | str]()
    asking = threading.Thread(target=keep_asking, args=(server, cookie, stop, answers))
    asking.start()
    victim = before.pop()
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers(server)) == WORKERS and victim not in workers(server), seconds=60)
    with connect_to_each_worker(server, WORKERS) as lines:
        assert victim not in lines
        assert {line("/auth/session", cookie=cookie)[0] for line in lines.values()} == {200}
    stop.set()
    asking.join(30)
    # Requests on a connection of the killed worker are repeated; none gets a 401.
    assert answers <= {200, "TransportError"}


def keep_asking(server: ServerProcess, cookie: str, stop: threading.Event, answers: set[int | str]) -> None:
    while not stop.is_set():
        try:
            answers.add(httpx.get(server.url + "/auth/session", headers={"cookie": cookie}).status_code)
        except httpx.TransportError:
            answers.add("TransportError")
        time.sleep(0.005)


def feed_age(server: ServerProcess) -> float:
    text = httpx.get(server.url + "/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith("keyturn_feed_age_seconds")).split()[-1])


def test_metrics_are_pooled_and_forget_dead_workers(server: ServerProcess) -> None:
    with connect_to_each_worker(server, WORKERS) as lines:
        for line in lines.values():
            line("/auth/session")
    text = httpx.get(server.url + "/metrics").text
    counted = [line for line in text.splitlines() if 'route="/auth/session",status="401"' in line]
    assert float(counted[0].split()[-1]) >= WORKERS
    # The one that took a killed worker's place has no news before its first; it says so once a second.
    until(lambda: 0 <= feed_age(server) < BOUND_SECONDS, lambda: f"{feed_age(server)} s old")
    # One was killed above: what it last said must not stand for ever.
    told = {int(each.stem.rpartition("_")[2]) for each in (server.data / "metrics").glob("gauge_*.db")}
    assert told == workers(server)


def test_no_worker_outlives_a_killed_supervisor(tmp_path_factory: pytest.TempPathFactory) -> None:
    with run_server(tmp_path_factory.mktemp("orphans") / "data", workers=2, algorithm="ES256") as server:
        assert server.process is not None
        crew = workers(server)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(30)
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in crew), lambda: "a worker outlives it")
        # The port is free: the same server starts again on it.
        server.start()
