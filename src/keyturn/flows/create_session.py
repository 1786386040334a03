"""Enter: what login and signup share once the subject is known. A new session, and a mark on the device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed

from keyturn.core.audit import AuditEventType
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import open_session
from keyturn.core.policy import Deliver
from keyturn.core.sealed import PlaintextToken, Secrets
from keyturn.core.session import ClientInfo, RevocationFloor, Seed, Session
from keyturn.core.session_id import SESSION_ID_BYTES, encode_session_id, new_session_id
from keyturn.core.throttle import NONCE_BYTES, sign_device_cookie
from keyturn.core.types import EPOCH, Instant, Subject
from keyturn.flows import effects
from keyturn.flows.effects import Flow

SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What a client asks with. ``device``: the value of its device cookie, if it has one.

    ``scope`` and ``claims`` are the application's, never the client's; the payload guard checks ``claims``.
    """

    identifier: str
    password: str = field(repr=False)
    deliver: Deliver | None = None
    client: ClientInfo = field(default_factory=ClientInfo)
    device_token: str | None = field(default=None, repr=False)
    scope: str = ""
    claims: Mapping[str, object] = field(default_factory=dict[str, object])


def create_session(
    subject: Subject, marks: RevocationFloor, attempt: LoginRequest, now: Instant, realm: IssuerConfig
) -> Flow[Session]:
    """Open a session under ``marks``, which were read before the authentication was checked: a revocation or a
    password change that commits in between voids it."""
    sid = new_session_id(subject, (yield from effects.random_bytes(SESSION_ID_BYTES)))
    seed = Seed((yield from effects.random_bytes(SEED_BYTES)))
    draft = Session(sid, subject, seed, attempt.client, 0, now, now, now, EPOCH)
    draft = changed(draft, scope=attempt.scope, claims=attempt.claims)
    session = open_session(draft, marks, now, realm.profile.session)
    yield from effects.insert(session)
    yield from effects.audit(AuditEventType.LOGIN, now, subject, session.sid, attempt.client.address)
    return session


def device_secret(realm: IssuerConfig) -> bytes:
    """Key of device cookies. It opens no account: it only decides which bucket counts an attempt."""
    return Secrets.derive(realm.secrets.current, b"device")


def new_id() -> Flow[str]:
    """A fresh 128-bit handle: 22 base64url characters."""
    return encode_session_id((yield from effects.random_bytes(SESSION_ID_BYTES)))


def issue_device_cookie(identifier: str, nonce: bytes | None, realm: IssuerConfig) -> Flow[PlaintextToken]:
    """The device cookie of a browser that has just logged in; the one it has, if it is known already."""
    known = nonce or (yield from effects.random_bytes(NONCE_BYTES))
    return PlaintextToken(sign_device_cookie(identifier, known, device_secret(realm)))
