"""A synchronous issuer on a memory store, with clocks and a feed set by hand."""

from dataclasses import replace
from typing import Any

from integrations.guarded_app import Clock
from keyturn import Issuer, Verifier
from keyturn.config.background import load_first_keys
from keyturn.config.components import build_components
from keyturn.config.settings import Settings
from keyturn.core.freshness import Freshness
from keyturn.core.grants import Grant, GrantRequest
from keyturn.core.revocation import RevocationSet
from keyturn.flows import IssuedCredentials, drive
from keyturn.passwords import Argon2Hasher, Argon2Parameters

ISSUER = "https://auth.example.com"
PASSWORD = "violet umbrella 7 o clock"
SETTINGS: dict[str, str] = {
    "issuer": ISSUER,
    "audience": "orders",
    "store": "memory:",
    "secret": "s3cret-" * 8,
    "service_token": "t0ken-" * 8,
    "algorithm": "EdDSA",
}


class GrantAll:
    """An application that grants what a login asks for."""

    def decide(self, request: GrantRequest) -> Grant:
        return Grant(" ".join(request.scope or ()))


class SyncIssuer(Issuer):
    """``flows``: number of flows that an application ran on it. Leave it by ``close``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(Settings(**SETTINGS | settings), background=False)
        self.clock, self.monotonic = Clock(1_800_000_000.25), Clock(100.0)
        clocks: dict[str, Any] = {"clock": self.clock, "monotonic": self.monotonic}
        parts = build_components(self.settings, self.config, is_async=False, grants=GrantAll(), **clocks)
        parts.hasher.close()
        hasher = Argon2Hasher(Argon2Parameters(memory_cost=64, time_cost=1), threads=1)
        self.parts = parts = replace(parts, ports=replace(parts.ports, hasher=hasher), hasher=hasher)
        self.manual = parts
        drive(load_first_keys(parts), parts.sync_ports)
        self.refresh_feed()

    def refresh_feed(self) -> None:
        """News from the feed, as of this moment."""
        self.manual.session_cache.mark_complete(self.monotonic.now)

    def enroll(self, name: str = "ada", deliver: Any = "both", scope: str = "") -> IssuedCredentials:
        """Create an account and log in."""
        return self.signup(f"{name}@example.com", PASSWORD, deliver=deliver, scope=scope)

    def verifier(self) -> Verifier:
        """Return a verifier of its access tokens, whose feed is complete as of now."""
        return Verifier(
            ISSUER,
            "orders",
            keys=self.manual.keyring._keys.published(self.manual.now()),
            feed=Feed(),
            clock=self.clock,
            monotonic=lambda: 0.0,
        )


class Feed:
    def __init__(self) -> None:
        self.revocations = RevocationSet()
        self.freshness = Freshness(5.0, 0.0)


def cookie(issued: IssuedCredentials) -> tuple[bytes, bytes]:
    """Return the Cookie header of a browser after this login."""
    assert issued.session_token is not None
    return b"cookie", b"__Host-kt_session=" + issued.session_token.reveal().encode()


def bearer(issued: IssuedCredentials) -> tuple[bytes, bytes]:
    """Return the Authorization header of an app after this login."""
    assert issued.access_token is not None
    return b"authorization", b"Bearer " + issued.access_token.reveal().encode()
