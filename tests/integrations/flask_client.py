"""Requests by Flask's own test client."""

from typing import Any

from flask import Flask

from keyturn.flows import IssuedCredentials

PASSWORD = "violet umbrella 7 o clock"


def get(app: Flask, path: str, *headers: tuple[bytes, bytes], **given: Any) -> tuple[int, Any]:
    """Return status and JSON of a request by Flask's own test client."""
    named = [(name.decode(), value.decode()) for name, value in headers]
    answer = app.test_client(use_cookies=False).open(path, headers=named, base_url="https://auth.example.com", **given)
    return answer.status_code, answer.get_json()


def sid_of(issued: IssuedCredentials) -> tuple[int, dict[str, str]]:
    return 200, {"sid": issued.session.sid, "subject": issued.session.subject}
