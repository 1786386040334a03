"""Settings of issuers for measurements, and sessions inserted into their store without the cost of hashing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyturn.config.components import Components
from keyturn.config.settings import Settings
from keyturn.core.lifecycle import begin_session
from keyturn.core.sealed import CredentialKind, seal
from keyturn.core.session import ClientInfo, RevocationFloor, Seed, Session
from keyturn.core.session_id import new_session_id
from keyturn.core.types import EPOCH, Subject

ISSUER, AUDIENCE = "https://auth.example.com", "orders"


def settings(store: str = "memory:", algorithm: str = "HS256", *, session_store: str = "") -> Settings:
    """Return settings with the default policies and the highest login limits."""
    return Settings(
        issuer=ISSUER,
        audience=AUDIENCE,
        store=store,
        session_store=session_store,
        secret="a secret for nothing but figures",
        service_token="a service token for figures only",
        algorithm=algorithm,
        login_limit_per_account=100,
        login_limit_per_address=100_000,
        signup_limit_per_address=100_000,
    )


@contextmanager
def sqlite_url(within: Path | None = None) -> Iterator[str]:
    """Yield the URL of a SQLite store in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-", dir=within) as folder:
        yield f"sqlite:///{Path(folder) / 'keyturn.db'}"


def open_sessions(parts: Components, count: int) -> list[Session]:
    """Insert ``count`` live sessions into the store."""
    return [_open(parts) for _ in range(count)]


def token_of(session: Session, kind: CredentialKind, counter: int, parts: Components) -> str:
    """Return a sealed credential of ``session``."""
    return seal(kind, session.sid, counter, session.seed, parts.config.secrets).reveal()


def session_cookie(session: Session, parts: Components) -> bytes:
    """Return a Cookie header with the cookie of ``session`` and one unrelated cookie."""
    name = parts.config.profile.cookie.name("session")
    return f"theme=dark; {name}={token_of(session, CredentialKind.SESSION, 0, parts)}".encode()


def _open(parts: Components) -> Session:
    now = parts.now()
    subject = Subject("subject")
    sid = new_session_id(subject, os.urandom(16))
    draft = Session(sid, subject, Seed(os.urandom(32)), ClientInfo(), 0, now, now, now, EPOCH)
    session = begin_session(draft, RevocationFloor(), now, parts.config.profile.session)
    parts.sync_ports.sessions.insert(session)  # type: ignore[attr-defined]  # the synchronous port
    return session
