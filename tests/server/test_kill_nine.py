"""kill -9 of the whole server in mid-rotation, and a restart on the same data: several rounds."""

import random
import threading
import time
from pathlib import Path

import httpx

from server_process import ServerProcess, run_server
from server_process.process import PASSWORD
from services.process import until

ROUNDS = 3
CLIENTS = 6


class Mobile(threading.Thread):
    """Refreshes as fast as it is answered. ``token`` is always the last one it was given, as a real client holds it."""

    def __init__(self, server: ServerProcess, token: str) -> None:
        super().__init__()
        self.server, self.token = server, token
        self.turns = 0
        self.refusals: list[str] = []

    def run(self) -> None:
        with self.server.client() as client:
            try:
                while not self.refusals:
                    self.turn(client)
            except httpx.TransportError:
                return

    def turn(self, client: httpx.Client) -> None:
        reply = refresh(client, self.token)
        if reply.status_code == 200:
            self.token, self.turns = reply.json()["refresh_token"], self.turns + 1
        elif reply.status_code != 503:
            self.refusals.append(reply.text)


class SessionEnders(threading.Thread):
    """Logs in and out again. ``ended``: tokens of sessions whose end was acknowledged; ``open``: of those that stay."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__()
        self.server = server
        self.ended: list[dict[str, str]] = []
        self.open: list[dict[str, str]] = []

    def run(self) -> None:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        with self.server.client() as client:
            try:
                while True:
                    issued = client.post("/auth/login", json=body).json()
                    if len(self.open) <= len(self.ended):
                        self.open.append(issued)
                        continue
                    headers = {"authorization": f"Bearer {issued['access_token']}"}
                    if client.post("/auth/logout", headers=headers).status_code == 200:
                        self.ended.append(issued)
            except httpx.TransportError:
                return


def refresh(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


def test_kill_9_loses_no_acknowledged_rotation_and_revives_no_session(tmp_path: Path) -> None:
    draw = random.Random(9)
    with run_server(tmp_path / "data", workers=2, algorithm="ES256", refresh_grace_seconds="300") as server:
        with server.client() as client:
            body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
            client.post("/auth/signup", json=body)
            tokens = [client.post("/auth/login", json=body).json()["refresh_token"] for _ in range(CLIENTS)]
        for _ in range(ROUNDS):
            tokens = one_round(server, tokens, draw.uniform(0.3, 0.8))


def one_round(server: ServerProcess, tokens: list[str], seconds: float) -> list[str]:
    crowd, enders = [Mobile(server, each) for each in tokens], SessionEnders(server)
    for each in (*crowd, enders):
        each.start()
    until(
        lambda: sum(each.turns for each in crowd) > CLIENTS,
        lambda: repr([refusal for each in crowd for refusal in each.refusals]),
    )
    time.sleep(seconds)
    server.kill()
    for each in (*crowd, enders):
        each.join(30)
    assert [refusal for each in crowd for refusal in each.refusals] == []
    server.start()
    with server.client() as client:
        for each in enders.ended:
            assert refresh(client, each["refresh_token"]).json()["code"] == "token_revoked"
            bearer = {"authorization": f"Bearer {each['access_token']}"}
            assert client.get("/auth/session", headers=bearer).json()["code"] == "token_revoked"
        for each in enders.open:
            assert refresh(client, each["refresh_token"]).status_code == 200
        return [one_lineage(client, each.token) for each in crowd]


def one_lineage(client: httpx.Client, token: str) -> str:
    """Return the one successor of a token whose last use may have had no reply."""
    replies = [refresh(client, token) for _ in range(3)]
    assert [each.status_code for each in replies] == [200] * 3
    successors = {str(each.json()["refresh_token"]) for each in replies}
    assert len(successors) == 1
    return successors.pop()
