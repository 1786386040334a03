"""A sync or async verifier with one interface for tests."""

import asyncio
from collections.abc import Callable
from typing import Any

from keyturn.core.principal import Principal
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.tokens import KeySet
from keyturn.verifier import AsyncVerifier, Verifier

ISSUER = "https://auth.example.com"
NOW = 1_800_000_000
SID = "AbCdEfGhIjKlMnOpQrStuA"

Mint = Callable[..., str]


class VerifierHarness:
    """A sync or async verifier with one interface, and its clocks and feed."""

    def __init__(self, kind: str, keys: KeySet, feed: Any, clock: Any, monotonic: Any) -> None:
        self.kind = kind
        self.keys, self.feed, self.clock, self.monotonic = keys, feed, clock, monotonic
        self.introspected: list[str] = []
        self.active: object = True
        self.make()

    def make(self, **changed: Any) -> None:
        arguments = {"keys": self.keys, "feed": self.feed, "clock": self.clock, "monotonic": self.monotonic} | changed
        self.verifier: Verifier | AsyncVerifier
        if self.kind == "sync":
            self.verifier = Verifier(ISSUER, "orders", **arguments)
        else:
            self.verifier = AsyncVerifier(ISSUER, "orders", **arguments)

    def __call__(self, token: Any) -> Principal:
        if isinstance(self.verifier, Verifier):
            return self.verifier(token)
        return asyncio.run(self.verifier(token))

    def introspect(self) -> None:
        def ask(token: str) -> bool:
            self.introspected.append(token)
            if isinstance(self.active, BaseException):
                raise self.active
            return self.active  # type: ignore[return-value]

        async def ask_async(token: str) -> bool:
            return ask(token)

        self.make(introspect=ask if self.kind == "sync" else ask_async)

    def revoke(self, kind: RevocationKind, key: str, value: int) -> None:
        self.feed.revocations.apply(Revocation(kind, key, value, Instant(NOW), Instant(NOW + 1000), 1))
