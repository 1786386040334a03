"""Call an API: ``client.py URL...`` requests every URL at the same time, and refreshes an expired access token once."""

import fcntl
import json
import os
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from getpass import getpass
from pathlib import Path
from tempfile import NamedTemporaryFile

import httpx

ISSUER, FILE = os.environ.get("ISSUER", "http://127.0.0.1:8000"), Path(os.environ.get("TOKENS", "client-tokens.json"))


def save(response: httpx.Response) -> None:
    if b'"refresh_token"' not in response.read() or response.status_code != 200:  # a login page of the network, say
        sys.exit(f"{response.status_code} {response.text}\nAfter invalid_grant, delete {FILE} to log in again.")
    with NamedTemporaryFile("w", dir=FILE.parent, delete=False) as new:  # its mode is 0600
        new.write(response.text)
    os.replace(new.name, FILE)  # a reader sees the old tokens or the new ones, never a part


class FileTokens(httpx.Auth):
    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        used = json.loads(FILE.read_text())
        request.headers["Authorization"] = f"Bearer {used['access_token']}"
        if (response := (yield request)).status_code == 401 and b"token_expired" in response.read():
            with os.fdopen(os.open(f"{FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # one thread of one process refreshes; the others find new tokens
                if json.loads(FILE.read_text()) == used:
                    form = {"grant_type": "refresh_token", "refresh_token": used["refresh_token"]}
                    save((yield httpx.Request("POST", f"{ISSUER}/auth/token", data=form)))
            request.headers["Authorization"] = f"Bearer {json.loads(FILE.read_text())['access_token']}"
            yield request


if not FILE.exists():
    login = {"email": os.environ.get("EMAIL") or input("E-mail: "), "password": os.environ.get("PASSWORD") or getpass()}
    save(httpx.post(f"{ISSUER}/auth/login", json=login | {"deliver": "tokens"}, timeout=30))
FILE.chmod(0o600)
with httpx.Client(auth=FileTokens(), timeout=30) as http, ThreadPoolExecutor(20) as pool:
    print(*(f"{answer.status_code} {answer.text}" for answer in pool.map(http.get, sys.argv[1:])), sep="\n")
