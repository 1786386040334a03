"""Conversion of records to parameters and of rows to records; row values are trusted no further than their columns."""

from typing import Any

import msgspec

from keyturn.core.account import Account
from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.revocation import Revocation, RevocationKind
from keyturn.core.session import ClientInfo, LoadedSession, RevocationFloor, Seed, Session, make_repeats
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant
from keyturn.ports import StoredKey
from keyturn.stores.sql.operation import Row

_encode = msgspec.json.Encoder().encode
_decode_amr = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_claims = msgspec.json.Decoder(dict[str, Any]).decode


def session_to_row(session: Session) -> dict[str, object]:
    """Return the columns of ``sessions``."""
    client, repeats = session.client, session.repeats
    return {
        "sid": session.sid,
        "subject": session.subject,
        "seed": bytes(session.seed),
        "client_id": client.client_id,
        "label": client.label,
        "address": client.address,
        "generation": session.generation,
        "created_at": session.created_at,
        "auth_time": session.auth_time,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
        "amr": _encode(session.amr).decode(),
        "scope": session.scope,
        "claims": _encode(session.claims).decode(),
        "renewals": session.renewals,
        "rotations": session.rotations,
        "rotated_at": session.rotated_at,
        "ended_at": session.ended_at,
        "end_reason": session.end_reason,
        "version": session.version,
        "unseen_rotation": repeats.unseen_rotation,
        "late_answers": repeats.late_answers,
        "repeated_rotation": repeats.rotation,
        "repeated_in_a_row": repeats.in_a_row,
    }


def row_to_session(row: Row) -> LoadedSession:
    """Convert a row of ``sessions``, in column order, followed by the four values of its revocation floor."""
    (
        sid,
        subject,
        seed,
        client_id,
        label,
        address,
        generation,
        created_at,
        auth_time,
        last_seen_at,
        expires_at,
        amr,
        scope,
        claims,
        renewals,
        rotations,
        rotated_at,
        ended_at,
        end_reason,
        version,
        unseen,
        late,
        repeated,
        in_a_row,
        *floor,
    ) = row
    session = Session(
        sid,
        subject,
        Seed(seed),
        ClientInfo(client_id, label, address),
        generation,
        created_at,
        auth_time,
        last_seen_at,
        expires_at,
        _decode_amr(amr),
        scope,
        _decode_claims(claims),
        renewals,
        rotations,
        rotated_at,
        ended_at,
        end_reason,
        version,
        make_repeats(unseen, late, repeated, in_a_row),
    )
    return LoadedSession(session, row_to_floor(floor))


def row_to_floor(row: Row) -> RevocationFloor:
    """Convert the generation of the subject, the not-before of client and everything, the suspension; or None."""
    generation, client, everything, suspended = row
    return RevocationFloor(generation or 0, Instant(max(client or 0, everything or 0)), Instant(suspended or 0))


def revocation_to_row(entry: Revocation) -> dict[str, object]:
    """Return the columns of ``revocations``."""
    return {
        "sequence": entry.sequence,
        "kind": entry.kind.value,
        "key": entry.key,
        "value": entry.value,
        "at": entry.at,
        "expires_at": entry.expires_at,
        "tag": entry.tag,
    }


def row_to_revocation(row: Row) -> Revocation:
    """Convert a row of ``revocations``, in column order."""
    sequence, kind, key, value, at, expires_at, tag = row
    return Revocation(RevocationKind(kind), key, value, at, expires_at, sequence, tag)


def account_to_row(account: Account) -> dict[str, object]:
    """Return the columns of ``accounts``."""
    return {
        "subject": account.subject,
        "identifier": account.identifier,
        "password_hash": account.password_hash,
        "created_at": account.created_at,
        "disabled": account.disabled,
        "version": account.version,
        "scope": account.scope,
        "is_admin": account.is_admin,
    }


def row_to_account(row: Row) -> Account:
    """Convert a row of ``accounts``, in column order."""
    subject, identifier, password_hash, created_at, disabled, version, scope, is_admin = row
    return Account(subject, identifier, password_hash, created_at, bool(disabled), version, scope, bool(is_admin))


def row_to_bucket(row: Row) -> Bucket:
    """Convert a row of ``throttles``, in column order."""
    return Bucket(*row)


def row_to_key(row: Row) -> StoredKey:
    """Convert a row of ``signing_keys``, in column order."""
    return StoredKey(*row)


def row_to_event(row: Row) -> AuditEvent:
    """Convert a row of ``audit``, in column order, without its id."""
    event, *rest = row
    return AuditEvent(AuditEventType(event), *rest)
