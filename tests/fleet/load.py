"""Load of simulated users: log in, send requests, refresh, revoke. Unexpected replies are counted as failures."""

import random
import threading
import time
from dataclasses import dataclass, field

import httpx

from effort import effort
from fleet.environment import Service
from server_process.process import PASSWORD

USER_COUNT = effort(3, 6)
PAUSE_SECONDS = effort(200, 100) / 1000


@dataclass
class Ledger:
    """Results of all users. ``revoked``: acknowledgement time by sid. ``failed``: unexpected replies."""

    services: list[Service]
    revoked: dict[str, float] = field(default_factory=dict)
    alive: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    requests: int = 0
    refreshes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class User(threading.Thread):
    """A user that logs in, sends requests, refreshes and revokes in a loop until ``stop`` is set."""

    def __init__(self, url: str, number: int, ledger: Ledger, stop: threading.Event) -> None:
        super().__init__()
        self.client = httpx.Client(base_url=url, timeout=30)
        self.body = {"email": f"person{number}@example.com", "password": PASSWORD, "deliver": "both"}
        self.ledger, self.stop_asked, self.random_source = ledger, stop, random.Random(number)

    def run(self) -> None:
        self.request("POST", "/auth/signup", json=self.body, expected=201)
        while not self.stop_asked.is_set():
            self.run_once()
        self.client.close()

    def run_once(self) -> None:
        self.client.cookies.clear()
        issued = self.request("POST", "/auth/login", json=self.body)
        if issued is None:
            return
        sid, token = issued["sid"], issued["access_token"]
        for each in self.ledger.services:
            with self.ledger.lock:
                each.watch(sid, token)
        for _ in range(3):
            self.request("GET", "/auth/session")
            self.request("GET", "/auth/session", headers={"authorization": f"Bearer {token}"})
            time.sleep(self.random_source.uniform(0.01, PAUSE_SECONDS))
        form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
        refreshed = self.request("POST", "/auth/token", data=form) or issued
        self.ledger.refreshes += 1
        if self.random_source.random() < 0.2:
            self.ledger.alive[sid] = refreshed["refresh_token"]
            return
        if self.request("POST", "/auth/revoke", data={"token": refreshed["refresh_token"]}) is not None:
            self.ledger.revoked[sid] = time.monotonic()

    def request(self, method: str, path: str, *, expected: int = 200, **named: object) -> "dict[str, str] | None":
        with self.ledger.lock:
            self.ledger.requests += 1
        try:
            reply = self.client.request(method, path, **named)  # type: ignore[arg-type]  # passed on as it came
        except httpx.HTTPError as error:
            self.ledger.failed.append(f"{method} {path}: {error!r}")
            return None
        if reply.status_code != expected:
            self.ledger.failed.append(f"{method} {path}: {reply.status_code} {reply.text[:200]}")
            return None
        answer: dict[str, str] = reply.json()
        return answer
