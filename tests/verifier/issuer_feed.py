"""The issuer's side of a polled feed, served from a list."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request

from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant

URL = "https://auth.example.com/auth/revocations"
NOW = 1_800_000_000
LINE: dict[str, Any] = {"kind": "session", "key": "a", "value": 1, "at": 1, "expires_at": 2, "sequence": 1}
"""An entry as it travels."""


class IssuerFeed:
    """Serves pages of ``limit`` entries. ``purged`` and another log can be simulated."""

    def __init__(self, monotonic: Any) -> None:
        self.entries: list[Revocation] = []
        self.sequence = 0
        self.purged = 0
        self.limit = 2
        self.queries: list[str] = []
        self.tokens: list[str | None] = []
        self.failure: Exception | None = None
        self.raw: bytes | None = None
        self.number = 7
        self.nonce = ""
        self.mark = ""
        self.monotonic = monotonic
        self.travel_seconds = 0.0
        self.now: int | None = None

    def append(
        self, key: str, kind: RevocationKind = RevocationKind.SESSION, value: int = ENDED, lives: int = 600
    ) -> None:
        self.sequence += 1
        self.entries.append(Revocation(kind, key, value, Instant(NOW), Instant(NOW + lives), self.sequence))

    def __call__(self, asked: Request) -> bytes:
        self.monotonic.now += self.travel_seconds
        query, _, self.nonce = urlsplit(asked.full_url).query.partition("nonce=")
        self.queries.append(query.rstrip("&"))
        self.tokens.append(asked.get_header("Authorization"))
        if self.failure is not None:
            raise self.failure
        if self.raw is not None:
            return self.raw.replace(b"{", b'{"nonce":"%s",' % self.nonce.encode(), 1)
        asked_for = parse_qs(self.queries[-1])
        known = int(asked_for.get("after", asked_for.get("seed", ["0"]))[0])
        newer = [each for each in self.entries if each.sequence > known][: self.limit]
        if self.mark and asked_for.get("mark", [self.mark])[0] != self.mark:
            return self._page([], known, complete=False, restored=True)
        if "after" not in asked_for:
            return self._page(newer, newer[-1].sequence if newer else self.sequence)
        return self._page(newer, newer[-1].sequence if newer else known, self.purged <= known <= self.sequence)

    def _page(
        self, entries: list[Revocation], sequence: int, complete: bool = True, *, restored: bool = False
    ) -> bytes:
        names = ("kind", "key", "value", "at", "expires_at", "sequence")
        lines = [{name: getattr(each, name) for name in names} for each in entries]
        page = {"entries": lines, "sequence": sequence, "complete": complete, "log": self.number}
        extra = {"mark": self.mark, "restored": restored} if self.mark else {}
        extra |= {} if self.now is None else {"now": self.now}
        return json.dumps(page | {"nonce": self.nonce} | extra).encode()
