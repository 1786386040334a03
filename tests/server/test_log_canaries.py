"""No secret is logged at any level, whether a request succeeds, is refused or fails."""

import json
import re
import sqlite3
from pathlib import Path

import httpx
import pytest

from server.raw_http import RawConnection
from server_process import ServerProcess, run_server

PASSWORD = "the canary sings at half past four"
WRONG = "a canary nobody may ever read"
CANARY = "canary-4f1c9a7e5b"


def use_everything(server: ServerProcess, client: httpx.Client) -> list[str]:
    """Every credential there is, used well and badly. Answers all that must never be read in a log."""
    body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "both"}
    issued = client.post("/auth/signup", json=body).json()
    cookies = [value for value in client.cookies.values() if value]
    secrets = [PASSWORD, WRONG, *cookies, *(issued[name] for name in ("access_token", "refresh_token", "csrf_token"))]
    renewed = client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]})
    secrets += [renewed.json()["access_token"], renewed.json()["refresh_token"]]
    client.post("/auth/login", json={**body, "password": WRONG})
    client.post("/auth/login", content=f'{{"email": "{WRONG}", "password": "{WRONG}"'.encode())
    client.post("/auth/login", json={"email": [WRONG], "password": {"x": WRONG}})
    client.post("/auth/login", json={**body, "deliver": CANARY, "client_id": CANARY + " !"})
    client.post("/auth/step-up", json={"password": WRONG})
    client.post("/auth/password", json={"current_password": WRONG, "new_password": WRONG})
    for token in secrets:
        header = {"authorization": f"Bearer {token}"}
        client.get("/auth/session", headers=header)
        client.get(f"/auth/session?access_token={token.replace(' ', '+')}", headers=header)
        client.delete(f"/auth/sessions/{token.replace(' ', '+')}", headers=header)
        client.post("/auth/token", data={"grant_type": token, "refresh_token": token})
        client.post("/auth/introspect", data={"token": token}, headers=header)
        client.get("/auth/session", headers={"cookie": f"kt_session={token}; kt_session={token}"})
        client.get("/auth/session", headers={"cookie": f"kt_session={token}x"})
    with RawConnection(server.url) as connection:
        malformed = f"GET /auth/session HTTP/1.1\r\nHost : x\r\nAuthorization: Bearer {secrets[-1]}\r\n\r\n"
        connection.send(malformed.encode())
        connection.reply()
    return secrets


def break_the_store(server: ServerProcess, client: httpx.Client) -> None:
    """Cause unexpected errors: dropped tables and corrupt rows."""
    with sqlite3.connect(server.data / "keyturn.db") as store:
        store.execute("UPDATE sessions SET seed = x'00'")
        store.execute("UPDATE accounts SET password_hash = ?", (CANARY,))
    for _ in range(2):
        client.get("/auth/session", headers={"cookie": "; ".join(f"{n}={v}" for n, v in client.cookies.items())})
        client.post("/auth/login", json={"email": "ada@example.com", "password": WRONG})
        with sqlite3.connect(server.data / "keyturn.db") as store:
            store.execute("DROP TABLE IF EXISTS audit_events")
            store.execute("DROP TABLE IF EXISTS accounts")


def stored_secrets(server: ServerProcess) -> list[str]:
    """Return the secrets of the data directory and the store, in the encodings that a log might use."""
    kept = [(server.data / name).read_text() for name in ("secret", "service-token")]
    with sqlite3.connect(server.data / "keyturn.db") as store:
        kept += [row[0] for row in store.execute("SELECT password_hash FROM accounts")]
        blobs = [row[0] for row in store.execute("SELECT seed FROM sessions")]
        blobs += [row[0] for row in store.execute("SELECT sealed FROM signing_keys")]
    return kept + [each.hex() for each in blobs] + [repr(each)[2:-1] for each in blobs]


def test_no_secret_is_logged_at_debug_level(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", settings={"KEYTURN_ALGORITHM": "ES256", "LOG_LEVEL": "DEBUG"})
    server.start()
    try:
        with server.client() as client:
            secrets = use_everything(server, client) + stored_secrets(server)
            break_the_store(server, client)
    finally:
        server.stop()
    log = server.log.read_text()
    # A token's parts: a mac or a signature alone is a secret too.
    parts = {part for each in secrets for part in (each, *each.split(".")) if len(part) >= 20} | {CANARY}
    assert [part for part in parts if part in log] == []
    assert "eyJ" not in log
    # What was refused and what was broken did get logged.
    assert '"code": "store_unavailable"' in log
    assert '"code": "login_failed"' in log
    assert not re.search(r"kt_(session|refresh|csrf)_\w", log)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_line_of_the_log_is_a_json_object(tmp_path: Path, workers: int) -> None:
    with run_server(tmp_path / "data", workers=workers, algorithm="ES256") as server:
        httpx.get(server.url + "/auth/session")
        httpx.get(server.url + "/nothing")
        server.stop()
    # The greeting is for people and goes to standard output, which the test has put in the same file.
    greeting, _, rest = server.log.read_text().partition("/auth/logout-all\n")
    assert "Try:" in greeting
    events = [json.loads(line) for line in (greeting + rest).splitlines() if line.startswith("{")]
    assert [line for line in rest.splitlines() if line and not line.startswith("{")] == []
    assert all({"event", "level", "timestamp"} <= set(each) for each in events)
    refused = [each for each in events if each.get("route") == "unmatched"]
    assert [(each["status"], each["code"]) for each in refused] == [(404, "not_found")]
