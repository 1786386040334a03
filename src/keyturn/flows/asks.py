"""The needs of flows, one line each: the port, the verb and the type of the answer (see ``ports.py``)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import cast

from keyturn.core.account import Account
from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.claims import AccessClaims
from keyturn.core.instant import Instant, SessionId, Subject
from keyturn.core.revocation import GenerationIncrement, LogCursor, Revocation, Verdict
from keyturn.core.session import CachedSession, LoadedSession, RevocationFloor, Session
from keyturn.core.throttle import Bucket
from keyturn.errors import StoreUnavailable
from keyturn.flows.step import Flow, ask
from keyturn.ports import PasswordCheck, StoredKey


def insert(session: Session) -> Flow[None]:
    yield from ask("sessions", "insert", session)


def load(sid: SessionId) -> Flow[LoadedSession | None]:
    return cast("LoadedSession | None", (yield from ask("sessions", "load", sid)))


def marks(subject: Subject, client_id: str) -> Flow[RevocationFloor]:
    return cast(RevocationFloor, (yield from ask("sessions", "revocation_floor", subject, client_id)))


def replace(session: Session, entry: Revocation | None = None) -> Flow[int | None]:
    return cast("int | None", (yield from ask("sessions", "replace", session, entry)))


def settle(session: Session) -> Flow[bool]:
    return cast(bool, (yield from ask("sessions", "wait_durable", session)))


def void(voiding: GenerationIncrement) -> Flow[Revocation]:
    return cast(Revocation, (yield from ask("sessions", "increment_generation", voiding)))


def mark(entry: Revocation) -> Flow[Revocation]:
    return cast(Revocation, (yield from ask("sessions", "raise_not_before", entry)))


def sessions_of(subject: Subject) -> Flow[Sequence[LoadedSession]]:
    return cast("Sequence[LoadedSession]", (yield from ask("sessions", "list", subject)))


def insert_account(account: Account) -> Flow[bool]:
    return cast(bool, (yield from ask("accounts", "insert", account)))


def account_named(identifier: str) -> Flow[Account | None]:
    return cast("Account | None", (yield from ask("accounts", "find", identifier)))


def account_of(subject: Subject) -> Flow[Account | None]:
    return cast("Account | None", (yield from ask("accounts", "load", subject)))


def replace_account(account: Account) -> Flow[bool]:
    return cast(bool, (yield from ask("accounts", "replace", account)))


def replace_account_and_void(
    account: Account, voiding: GenerationIncrement, kept: Session | None = None
) -> Flow[Revocation | None]:
    return cast("Revocation | None", (yield from ask("accounts", "replace_and_revoke", account, voiding, kept)))


def bucket(key: str) -> Flow[Bucket | None]:
    return cast("Bucket | None", (yield from ask("throttles", "load", key)))


def replace_bucket(changed: Bucket) -> Flow[bool]:
    return cast(bool, (yield from ask("throttles", "replace", changed)))


def audit(event: AuditEventType, now: Instant, subject: str = "", sid: str = "", address: str = "") -> Flow[None]:
    # What it tells of is done. A "no" now would leave the caller without the credential that replaced theirs (P9).
    with suppress(StoreUnavailable):
        yield from ask("audit", "append", AuditEvent(event, now, subject, sid, address))


def hash_password(password: str) -> Flow[str]:
    return cast(str, (yield from ask("hasher", "hash", password)))


def verify_password(encoded: str | None, password: str) -> Flow[PasswordCheck]:
    return cast(PasswordCheck, (yield from ask("hasher", "verify", encoded, password)))


def judge_password(password: str, identifier: str) -> Flow[None]:
    yield from ask("passwords", "validate", password, identifier)


def sign(claims: Mapping[str, object], now: Instant) -> Flow[str]:
    return cast(str, (yield from ask("signer", "sign", claims, now)))


def read_token(token: str, now: Instant) -> Flow[AccessClaims]:
    return cast(AccessClaims, (yield from ask("signer", "verify", token, now)))


def recall(sid: SessionId) -> Flow[LoadedSession | None]:
    return cast("LoadedSession | None", (yield from ask("session_cache", "get", sid)))


def remember(found: LoadedSession) -> Flow[None]:
    yield from ask("session_cache", "put", found)


def position() -> Flow[LogCursor | None]:
    return cast("LogCursor | None", (yield from ask("session_cache", "cursor")))


def vouch(copy: CachedSession) -> Flow[bool]:
    return cast(bool, (yield from ask("session_cache", "accept_copy", copy)))


def recall_copy(sid: SessionId, log: int) -> Flow[CachedSession | None]:
    return cast("CachedSession | None", (yield from ask("shared_cache", "get", sid, log)))


def remember_copy(copy: CachedSession) -> Flow[None]:
    yield from ask("shared_cache", "put", copy)


def forget(sid: SessionId) -> Flow[None]:
    yield from ask("session_cache", "evict", sid)


def note(entry: Revocation) -> Flow[None]:
    yield from ask("session_cache", "apply_local", entry)


def judge_claims(claims: AccessClaims) -> Flow[Verdict]:
    arguments = (claims.sid, claims.sub, claims.gen, claims.client_id, claims.iat)
    return cast(Verdict, (yield from ask("session_cache", "check", *arguments)))


def random_bytes(size: int) -> Flow[bytes]:
    return cast(bytes, (yield from ask("entropy", "token_bytes", size)))


def stored_keys() -> Flow[Sequence[StoredKey]]:
    return cast("Sequence[StoredKey]", (yield from ask("keys", "list")))


def insert_key(key: StoredKey) -> Flow[bool]:
    return cast(bool, (yield from ask("keys", "insert", key)))


def delete_key(kid: str) -> Flow[None]:
    yield from ask("keys", "delete", kid)


def make_key(algorithm: str, serial: int, active_at: Instant) -> Flow[StoredKey]:
    return cast(StoredKey, (yield from ask("key_generator", "make", algorithm, serial, active_at)))


def log_sequence() -> Flow[int]:
    return cast(int, (yield from ask("log", "sequence")))
