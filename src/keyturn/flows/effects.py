"""Effects of flows. A flow is a generator that yields each call of a port and does no I/O itself.

One function for each call declares the type of its result (see ``ports.py``). A flow may be cancelled, or its process
may crash, at any ``yield``: exactly the calls yielded before have happened.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from keyturn.core.account import Account
from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.claims import AccessClaims
from keyturn.core.revocation import GenerationIncrement, LogCursor, Revocation, Verdict
from keyturn.core.sealed import ParsedCredential
from keyturn.core.session import CachedSession, LoadedSession, RevocationFloor, Session
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import Refusal, StoreUnavailable
from keyturn.ports import PasswordCheck, StoredKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One call of a port: its ``method`` with ``arguments``, which may be secret and are left out of ``repr``."""

    port: str
    method: str
    arguments: tuple[object, ...] = ()

    def __repr__(self) -> str:
        return f"Call({self.port}.{self.method})"


Flow: TypeAlias = Generator[Call, Any, T]
"""A generator that yields calls, is sent their results and returns ``T``."""


def call(port: str, method: str, *arguments: object) -> Flow[Any]:
    """Call one method of a port, as a flow: ``result = yield from call("sessions", "load", sid)``."""
    return (yield Call(port, method, arguments))


def insert(session: Session) -> Flow[None]:
    yield from call("sessions", "insert", session)


def load(sid: SessionId) -> Flow[LoadedSession | None]:
    return cast("LoadedSession | None", (yield from call("sessions", "load", sid)))


def is_suspended() -> Flow[bool]:
    """Return True if the sessions of a restored database are suspended, as far as this process knows."""
    return cast(bool, (yield from call("session_cache", "is_suspended")))


def revocation_floor(subject: Subject, client_id: str) -> Flow[RevocationFloor]:
    return cast(RevocationFloor, (yield from call("sessions", "revocation_floor", subject, client_id)))


def replace(session: Session, entry: Revocation | None = None) -> Flow[int | None]:
    return cast("int | None", (yield from call("sessions", "replace", session, entry)))


def wait_durable(session: Session) -> Flow[bool]:
    return cast(bool, (yield from call("sessions", "wait_durable", session)))


def increment_generation(increment: GenerationIncrement) -> Flow[Revocation]:
    return cast(Revocation, (yield from call("sessions", "increment_generation", increment)))


def raise_not_before(entry: Revocation) -> Flow[Revocation]:
    return cast(Revocation, (yield from call("sessions", "raise_not_before", entry)))


def last_use(client_id: str | None) -> Flow[Instant]:
    return cast(Instant, (yield from call("sessions", "last_use", client_id)))


def list_sessions(subject: Subject) -> Flow[Sequence[LoadedSession]]:
    return cast("Sequence[LoadedSession]", (yield from call("sessions", "list", subject)))


def insert_account(account: Account) -> Flow[bool]:
    return cast(bool, (yield from call("accounts", "insert", account)))


def find_account(identifier: str) -> Flow[Account | None]:
    return cast("Account | None", (yield from call("accounts", "find", identifier)))


def load_account(subject: Subject) -> Flow[Account | None]:
    return cast("Account | None", (yield from call("accounts", "load", subject)))


def replace_account(account: Account) -> Flow[bool]:
    return cast(bool, (yield from call("accounts", "replace", account)))


def replace_account_and_revoke(
    account: Account, increment: GenerationIncrement, keep_session: Session | None = None
) -> Flow[Revocation | None]:
    return cast(
        "Revocation | None", (yield from call("accounts", "replace_and_revoke", account, increment, keep_session))
    )


def load_bucket(key: str) -> Flow[Bucket | None]:
    return cast("Bucket | None", (yield from call("throttles", "load", key)))


def replace_bucket(bucket: Bucket) -> Flow[bool]:
    return cast(bool, (yield from call("throttles", "replace", bucket)))


def audit(event: AuditEventType, now: Instant, subject: str = "", sid: str = "", address: str = "") -> Flow[None]:
    # The audited operation is committed. Failing now would withhold the credential that replaced the caller's (P9).
    with suppress(StoreUnavailable):
        yield from call("audit", "append", AuditEvent(event, now, subject, sid, address))


def hash_password(password: str) -> Flow[str]:
    return cast(str, (yield from call("hasher", "hash", password)))


def verify_password(encoded: str | None, password: str) -> Flow[PasswordCheck]:
    return cast(PasswordCheck, (yield from call("hasher", "verify", encoded, password)))


def validate_password(password: str, identifier: str) -> Flow[None]:
    yield from call("passwords", "validate", password, identifier)


def sign(claims: Mapping[str, object], now: Instant) -> Flow[str]:
    return cast(str, (yield from call("signer", "sign", claims, now)))


def verify_token(token: str, now: Instant) -> Flow[AccessClaims]:
    return cast(AccessClaims, (yield from call("signer", "verify", token, now)))


def get_cached(sid: SessionId) -> Flow[LoadedSession | None]:
    return cast("LoadedSession | None", (yield from call("session_cache", "get", sid)))


def put_cached(loaded: LoadedSession) -> Flow[None]:
    yield from call("session_cache", "put", loaded)


def get_refusal(credential: ParsedCredential) -> Flow[type[Refusal] | None]:
    return cast("type[Refusal] | None", (yield from call("session_cache", "get_refusal", credential)))


def put_refusal(credential: ParsedCredential, refusal: type[Refusal], cursor: LogCursor) -> Flow[None]:
    yield from call("session_cache", "put_refusal", credential, refusal, cursor)


def cache_cursor() -> Flow[LogCursor | None]:
    return cast("LogCursor | None", (yield from call("session_cache", "cursor")))


def accept_copy(copy: CachedSession) -> Flow[bool]:
    return cast(bool, (yield from call("session_cache", "accept_copy", copy)))


def get_copy(sid: SessionId, log_id: int) -> Flow[CachedSession | None]:
    return cast("CachedSession | None", (yield from call("shared_cache", "get", sid, log_id)))


def put_copy(copy: CachedSession) -> Flow[None]:
    yield from call("shared_cache", "put", copy)


def evict_cached(sid: SessionId) -> Flow[None]:
    yield from call("session_cache", "evict", sid)


def apply_local(entry: Revocation) -> Flow[None]:
    yield from call("session_cache", "apply_local", entry)


def check_cached_claims(claims: AccessClaims) -> Flow[Verdict]:
    arguments = (claims.sid, claims.sub, claims.gen, claims.client_id, claims.iat)
    return cast(Verdict, (yield from call("session_cache", "check", *arguments)))


def random_bytes(size: int) -> Flow[bytes]:
    return cast(bytes, (yield from call("entropy", "token_bytes", size)))


def stored_keys() -> Flow[Sequence[StoredKey]]:
    return cast("Sequence[StoredKey]", (yield from call("keys", "list")))


def insert_key(key: StoredKey) -> Flow[bool]:
    return cast(bool, (yield from call("keys", "insert", key)))


def delete_key(kid: str) -> Flow[None]:
    yield from call("keys", "delete", kid)


def make_key(algorithm: str, serial: int, active_at: Instant) -> Flow[StoredKey]:
    return cast(StoredKey, (yield from call("key_generator", "make", algorithm, serial, active_at)))


def store_clock() -> Flow[float | None]:
    return cast("float | None", (yield from call("log", "clock")))


def log_sequence() -> Flow[int]:
    return cast(int, (yield from call("log", "sequence")))
