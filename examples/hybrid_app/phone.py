"""A phone that stays logged in: it calls the API each second, until its login is ended from another device."""

import os
import sys
import time
from getpass import getpass
from itertools import count

import httpx

URL = os.environ.get("URL", "http://127.0.0.1:8000")
NAME = os.environ.get("NAME", "My phone")


def read(answer: httpx.Response) -> dict[str, str]:
    """Return the answer. End the program at a refusal; its ``hint`` says what to do."""
    body: dict[str, str] = answer.json()
    if answer.is_error:
        sys.exit(f"{answer.status_code} {body.get('code', body.get('error'))}: {body.get('hint', '')}")
    return body


with httpx.Client(base_url=URL, headers={"User-Agent": NAME}, timeout=30) as http:
    account = {"email": os.environ.get("EMAIL") or input("E-mail: ")}
    account["password"] = os.environ.get("PASSWORD") or getpass()
    # A real phone keeps the tokens in the key store of its system.
    tokens = read(http.post("/auth/login", json=account | {"deliver": "tokens", "client_id": "phone"}))
    for number in count(1):
        answer = http.get("/api/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        if answer.status_code == 401 and answer.json()["code"] == "token_expired":
            form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
            tokens = read(http.post("/auth/token", data=form))
            continue
        print(f"{number}. {NAME} is logged in as {read(answer)['subject']}", flush=True)
        time.sleep(1)
