"""curl as a person types it: one process a call, its own cookie jar, nothing of ours in between."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CurlResult:
    """What curl was answered."""

    status: int
    headers: dict[str, list[str]]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json["code"])


@dataclass(frozen=True)
class Curl:
    """``jar``: the cookie jar, read and written by every call; without one no cookie is kept or sent."""

    url: str
    jar: Path | None = None

    def __call__(self, path: str, *arguments: str) -> CurlResult:
        jar = ["-b", str(self.jar), "-c", str(self.jar)] if self.jar else []
        command = ["curl", "-s", "-i", "--max-time", "30", *jar, *arguments, self.url + path]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=40).stdout
        head, _, body = result.replace("\r\n", "\n").partition("\n\n")
        status, *lines = head.split("\n")
        headers: dict[str, list[str]] = {}
        for name, _, value in (line.partition(": ") for line in lines):
            headers.setdefault(name.lower(), []).append(value)
        return CurlResult(int(status.split()[1]), headers, body)

    def post(self, path: str, body: dict[str, str], *arguments: str) -> CurlResult:
        """Send a JSON body."""
        return self(path, "-H", "Content-Type: application/json", "-d", json.dumps(body), *arguments)

    def form(self, path: str, *arguments: str, **fields: str) -> CurlResult:
        """Send a form body, as OAuth clients do."""
        pairs = [each for name, value in fields.items() for each in ("--data-urlencode", f"{name}={value}")]
        return self(path, *pairs, *arguments)

    def refresh(self, token: str) -> CurlResult:
        """Send a refresh grant."""
        return self.form("/auth/token", grant_type="refresh_token", refresh_token=token)


def bearer(token: str) -> tuple[str, str]:
    """Return the curl arguments that present ``token``."""
    return "-H", f"Authorization: Bearer {token}"
