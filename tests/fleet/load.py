"""People: they log in, use what they got, refresh, and are logged out; every wrong answer counts."""

import random
import threading
import time
from dataclasses import dataclass, field

import httpx

from effort import effort
from fleet.environment import Service
from server_process.process import PASSWORD

PEOPLE = effort(3, 6)
PAUSE_SECONDS = effort(200, 100) / 1000


@dataclass
class Ledger:
    """``revoked``: per sid, when its revocation was acknowledged. ``failed``: answers that should not have been."""

    services: list[Service]
    revoked: dict[str, float] = field(default_factory=dict)
    alive: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    requests: int = 0
    refreshes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Person(threading.Thread):
    """One after another: a login, some requests, a refresh, a revocation; until told to stop."""

    def __init__(self, url: str, number: int, ledger: Ledger, stop: threading.Event) -> None:
        super().__init__()
        self.client = httpx.Client(base_url=url, timeout=30)
        self.body = {"email": f"person{number}@example.com", "password": PASSWORD, "deliver": "both"}
        self.ledger, self.stop_asked, self.chance = ledger, stop, random.Random(number)

    def run(self) -> None:
        self.ask("POST", "/auth/signup", json=self.body, expected=201)
        while not self.stop_asked.is_set():
            self.once()
        self.client.close()

    def once(self) -> None:
        self.client.cookies.clear()
        issued = self.ask("POST", "/auth/login", json=self.body)
        if issued is None:
            return
        sid, token = issued["sid"], issued["access_token"]
        for each in self.ledger.services:
            with self.ledger.lock:
                each.judge(sid, token)
        for _ in range(3):
            self.ask("GET", "/auth/session")
            self.ask("GET", "/auth/session", headers={"authorization": f"Bearer {token}"})
            time.sleep(self.chance.uniform(0.01, PAUSE_SECONDS))
        form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
        refreshed = self.ask("POST", "/auth/token", data=form) or issued
        self.ledger.refreshes += 1
        if self.chance.random() < 0.2:
            self.ledger.alive[sid] = refreshed["refresh_token"]
            return
        if self.ask("POST", "/auth/revoke", data={"token": refreshed["refresh_token"]}) is not None:
            self.ledger.revoked[sid] = time.monotonic()

    def ask(self, method: str, path: str, *, expected: int = 200, **named: object) -> "dict[str, str] | None":
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
