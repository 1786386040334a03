"""Signing keys roll over by themselves while serving, on every worker, and no valid token ever fails for it."""

import re
import time
from pathlib import Path
from typing import Any

import httpx
import jwt

from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

ROLLOVER_SECONDS = 9
PUBLISH_SECONDS = 8
KEYS = 3


class Reader:
    """A resource server with a key cache that does what Cache-Control says, and never looks for an unknown kid."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url
        self.kids: set[str] = set()
        self._keys: dict[str, Any] = {}
        self._good_until = 0.0

    def read(self, token: str) -> dict[str, Any]:
        if time.monotonic() >= self._good_until:
            asked_at = time.monotonic()
            reply = httpx.get(self.url + "/.well-known/jwks.json")
            lasts = re.search(r"max-age=(\d+)", reply.headers["cache-control"])
            assert lasts is not None
            assert int(lasts[1]) < PUBLISH_SECONDS
            self._good_until = asked_at + int(lasts[1])
            self._keys = {each["kid"]: jwt.PyJWK(each) for each in reply.json()["keys"]}
        kid = jwt.get_unverified_header(token)["kid"]
        self.kids.add(kid)
        return dict(jwt.decode(token, self._keys[kid], algorithms=["ES256"], audience=self.url, issuer=self.url))


def signers(tokens: list[str]) -> set[str]:
    return {jwt.get_unverified_header(token)["kid"] for token in tokens}


def test_no_valid_token_fails_during_several_rollovers(tmp_path: Path) -> None:
    settings = {"key_lifetime_seconds": str(ROLLOVER_SECONDS), "key_publish_ahead_seconds": str(PUBLISH_SECONDS)}
    settings |= {"access_token_seconds": "120", "algorithm": "ES256"}
    with run_server(tmp_path / "data", workers=3, **settings) as server, server.client() as client:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        issued = client.post("/auth/signup", json=body).json()
        reader, held = Reader(server), [issued["access_token"]]
        give_up_at = time.monotonic() + 60
        while len(signers(held)) < KEYS:
            assert time.monotonic() < give_up_at, "the keys do not roll over"
            # A connection each, so that any worker may sign, and any other may be asked.
            form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
            issued = httpx.post(server.url + "/auth/token", data=form).json()
            held.append(issued["access_token"])
            for token in {held[0], held[len(held) // 2], held[-1]}:
                assert reader.read(token)["sid"] == issued["sid"]
                headers = {"authorization": f"Bearer {token}"}
                assert httpx.get(server.url + "/auth/session", headers=headers).status_code == 200
            time.sleep(0.1)
        assert {reader.read(token)["sid"] for token in held} == {issued["sid"]}
