"""Log canaries: unique values are sent to every endpoint and searched for in logs, metrics, replies and files.

Sources: CWE-532, CWE-312, CWE-209, CWE-215, OWASP ASVS 5.0 16.2.5, OWASP Logging Cheat Sheet ("Data to exclude"); the
field's record: Twitter and GitHub (2018), Facebook (2019) logged passwords in the clear.
"""

import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import pytest

from advisories.canaries import NEW_PASSWORD, PASSWORD, WRONG, canaries_in
from advisories.raw_http import EMAIL
from server_process import ServerProcess, run_server


@dataclass
class Visit:
    """Everything a visitor does, right and wrong; every credential it was given, and every refusal it met."""

    client: httpx.Client
    credentials: dict[str, str] = field(default_factory=dict)
    refusals: list[httpx.Response] = field(default_factory=list)

    def send(self, method: str, path: str, **how: object) -> httpx.Response:
        answer = self.client.request(method, path, **how)  # type: ignore[arg-type]
        if answer.status_code >= 400:
            self.refusals.append(answer)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._keep(name, value)
        if answer.headers["content-type"] == "application/json" and "/auth" in path:
            for name in ("access_token", "refresh_token", "csrf_token"):
                self._keep(name, answer.json().get(name, ""))
        return answer

    def _keep(self, name: str, value: str) -> None:
        if value:
            self.credentials[f"{name} {len(self.credentials)}"] = value

    def everything(self, service: str) -> None:
        account = {"email": EMAIL, "password": PASSWORD, "deliver": "both"}
        first = self.send("POST", "/auth/signup", json=account).json()
        self.send("POST", "/auth/login", json={**account, "password": WRONG})
        self.send("POST", "/auth/step-up", json={"password": PASSWORD})
        self.send("POST", "/auth/step-up", json={"password": WRONG})
        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        self.send("POST", "/auth/password", json={**change, "new_password": "canary"})
        self.send("POST", "/auth/password", json=change)
        grant = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        self.send("POST", "/auth/token", data=grant)
        self.send("POST", "/auth/introspect", data={"token": first["refresh_token"]}, headers=auth(service))
        self.misplaced(service)
        self.send("POST", "/auth/token", data=grant)
        self.send("POST", "/auth/logout")
        self.send("GET", "/auth/session", headers={"authorization": b"Basic " + b64encode(PASSWORD.encode())})

    def misplaced(self, service: str) -> None:
        """Secrets where they do not belong: that is how they end in logs."""
        for secret in [PASSWORD, WRONG, service, *self.credentials.values()]:
            to_json = quote(secret)
            self.send("GET", f"/auth/session?access_token={to_json}&password={to_json}")
            self.send("GET", f"/auth/sessions/{to_json}")
            self.send("DELETE", f"/{to_json}")
            self.send("GET", f"/auth/revocations?after={to_json}", headers=auth(service))
            self.send("POST", "/auth/login", json={"email": secret, "password": 1})
            self.send("POST", "/auth/login", json={"email": EMAIL, "password": WRONG, "deliver": secret})
            self.send("POST", "/auth/login", json={"email": EMAIL, "password": WRONG, "client_id": secret})
            self.send("POST", "/auth/login", json={secret: secret})
            self.send("POST", "/auth/login", content=f'{{"password": "{secret}", '.encode(), headers=json_type())
            self.send("POST", "/auth/login", content=secret.encode(), headers={"content-type": "text/plain"})
            self.send("POST", "/auth/token", data={"grant_type": "refresh_token", "refresh_token": secret + "x"})
            self.send("POST", "/auth/introspect", data={"token": secret, secret: "1"}, headers=auth(service))
            self.send("POST", "/auth/introspect", data={"token": "x"}, headers=auth(service + "x"))
            header = {"authorization": b"Bearer " + secret.encode()}
            self.send("GET", "/auth/session", headers=header)
            self.send("GET", "/auth/session", headers={"authorization": b"Basic " + b64encode(secret.encode())})
            self.send("POST", "/auth/logout", headers={"x-csrf-token": secret.encode(), "sec-fetch-site": "cross-site"})


def auth(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def json_type() -> dict[str, str]:
    return {"content-type": "application/json"}


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Visit, str]]:
    data = tmp_path_factory.mktemp("canaries") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOG_LEVEL", "DEBUG")
        with run_server(
            data, workers=2, algorithm="ES256", password_min_length="8", login_limit_per_account="100"
        ) as server:
            service = (data / "service-token").read_text().strip()
            with server.client() as client:
                visit = Visit(client)
                visit.everything(service)
                metrics = client.get("/metrics").text
            yield server, visit, metrics


def secrets_of(server: ServerProcess) -> list[str]:
    return [(server.data / name).read_text().strip() for name in ("secret", "service-token")]


def test_the_canary_requests_reach_every_endpoint_and_refusal(visited: tuple[ServerProcess, Visit, str]) -> None:
    server, visit, metrics = visited
    codes = {each.json()["code"] for each in visit.refusals}
    wanted = {"login_failed", "token_malformed", "token_invalid", "bad_request", "invalid_member", "password_rejected"}
    assert codes >= wanted | {"unsupported_media_type", "not_found", "cross_origin", "unauthenticated"}
    assert len(visit.credentials) >= 8
    assert len(server.log.read_bytes()) > 10_000
    assert "keyturn_refusals" in metrics


@pytest.mark.conforms("ASVS 16.2.5")
def test_no_secret_is_logged(visited: tuple[ServerProcess, Visit, str]) -> None:
    server, visit, metrics = visited
    said = server.log.read_bytes() + metrics.encode()
    assert canaries_in(said, PASSWORD, NEW_PASSWORD, WRONG, *secrets_of(server), *visit.credentials.values()) == []
    # Half a credential is no less a credential: nor is any mac, signature or seed there.
    macs = [each.rpartition(".")[2] for each in visit.credentials.values()]
    assert canaries_in(said, *macs) == []
    with sqlite3.connect(server.data / "keyturn.db") as store:
        seeds = [row[0] for row in store.execute("SELECT seed FROM sessions")]
        hashes = [row[0] for row in store.execute("SELECT password_hash FROM accounts")]
    store.close()
    assert seeds
    for seed in seeds:
        assert not any(each in said for each in (seed, seed.hex().encode(), b64encode(seed), urlsafe_b64encode(seed)))
    assert canaries_in(said, *hashes) == []
    assert b"argon2id$" not in said
    assert b"Traceback" not in said


def test_no_refusal_repeats_a_submitted_value(visited: tuple[ServerProcess, Visit, str]) -> None:
    server, visit, _ = visited
    for answer in visit.refusals:
        said = answer.content + str(answer.headers).encode()
        assert canaries_in(said, PASSWORD, NEW_PASSWORD, WRONG, *secrets_of(server), *visit.credentials.values()) == []


def test_the_store_keeps_no_password_no_token_and_no_secret(visited: tuple[ServerProcess, Visit, str]) -> None:
    server, visit, _ = visited
    kept = b"".join(
        path.read_bytes() for path in server.data.rglob("*") if path.is_file() and "keyturn.db" in path.name
    )
    assert len(kept) > 50_000
    macs = [each.rpartition(".")[2] for each in visit.credentials.values()]
    assert (
        canaries_in(kept, PASSWORD, NEW_PASSWORD, WRONG, *secrets_of(server), *visit.credentials.values(), *macs) == []
    )
    assert b"PRIVATE KEY" not in kept


def test_the_audit_trail_names_nobodys_credential(visited: tuple[ServerProcess, Visit, str]) -> None:
    server, visit, _ = visited
    with sqlite3.connect(server.data / "keyturn.db") as store:
        rows = store.execute("SELECT * FROM audit").fetchall()
    store.close()
    assert {"login", "login_failed", "step_up", "password_changed", "logout"} & {str(row[1]) for row in rows}
    assert canaries_in(repr(rows).encode(), PASSWORD, WRONG, *secrets_of(server), *visit.credentials.values()) == []


def test_files_of_the_data_directory_are_readable_by_the_owner_only(visited: tuple[ServerProcess, Visit, str]) -> None:
    server, _, _ = visited
    loose = [path for path in server.data.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    pooled = server.data / "metrics"
    assert [path for path in loose if pooled not in path.parents] == []
    assert pooled.stat().st_mode & 0o077 == 0
