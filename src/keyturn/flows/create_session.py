"""Creation of a session and of a device cookie, shared by login and signup."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keyturn.core.audience import select_audience
from keyturn.core.audit import AuditEventType
from keyturn.core.grants import parse_scope, select_scope
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import begin_session
from keyturn.core.payload_guard import guard_payload
from keyturn.core.policy import Deliver
from keyturn.core.sealed import PlaintextToken, Secrets
from keyturn.core.session import ASKED_SCOPE, AUDIENCE, ClientInfo, RevocationFloor, Seed, Session
from keyturn.core.session_id import SESSION_ID_BYTES, encode_session_id, new_session_id
from keyturn.core.throttle import DEVICE_NONCE_BYTES, sign_device_cookie
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.grants import decide_grant
from keyturn.flows.session_limit import insert_within_limit
from keyturn.ports import Entropy, SessionStore

SEED_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What a new session is to be.

    ``deliver``: the requested delivery, or None for the default.
    ``resource``: the audiences that the client limits its session to (RFC 8707), or None for all.
    ``scope``: the scopes that the client asks for, separated by spaces; "" for all that it may get.
    ``claims``: set by the application, never by the client; replaced by those of ``grants``. The payload guard checks
    them. ``amr``: methods by which the subject has authenticated (RFC 8176).
    ``replaces``: credentials of earlier logins in the same browser, whose sessions end and do not count.
    """

    deliver: Deliver | None = None
    client: ClientInfo = field(default_factory=ClientInfo)
    scope: str = ""
    claims: Mapping[str, object] = field(default_factory=dict[str, object])
    resource: tuple[str, ...] | None = None
    amr: tuple[str, ...] = ("pwd",)
    replaces: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class LoginAttempt(SessionRequest):
    """Input of a login or a signup. ``device_token``: value of the device cookie, if any."""

    identifier: str
    password: str = field(repr=False)
    device_token: str | None = field(default=None, repr=False, kw_only=True)


def check_attempt(request: SessionRequest, config: IssuerConfig) -> Deliver:
    """Check a request before the subject is authenticated, and return the delivery to use.

    Raises ``CredentialsNotOffered``, ``InvalidScope``, ``InvalidTarget``, ``PayloadRefused``.
    """
    parse_scope(request.scope)
    select_audience(request.resource, config.audience)
    guard_payload(request.claims)
    return config.resolve_delivery(request.deliver)


def create_session(
    subject: Subject,
    floor: RevocationFloor,
    request: SessionRequest,
    now: Instant,
    config: IssuerConfig,
    sid: SessionId | None = None,
    account_scope: str = "",
) -> Flow[Session]:
    """Create a session under a revocation floor, within the limit of sessions of its subject.

    Raises ``GrantsUnavailable`` and ``TooManySessions``: then the session is not created, or has ended.

    The floor must be read before the password is verified: then a revocation or a password change that commits in
    between voids the new session.
    ``sid``: id of the session, chosen when a one-time value was exchanged for it; None for a new one.
    ``account_scope``: scopes stored with the account, which the login gets at most if the application decides nothing.
    """
    sid = sid or new_session_id(subject, (yield from call(Entropy.token_bytes, SESSION_ID_BYTES)))
    seed = Seed((yield from call(Entropy.token_bytes, SEED_BYTES)))
    draft = Session(sid, subject, seed, request.client, 0, now, now, now, EPOCH)
    scope = select_scope(parse_scope(request.scope) or None, account_scope)
    draft = replace(draft, amr=request.amr, scope=scope, claims=_claims(request, config))
    draft = yield from decide_grant(draft, account_scope)
    session = begin_session(draft, floor, now, config.profile.session)
    if config.profile.session.session_limit:
        session = yield from insert_within_limit(session, request.replaces, now, config)
    else:
        yield from call(SessionStore.insert, session)
    yield from effects.record_event(AuditEventType.LOGIN, now, subject, session.sid, request.client.address)
    return session


def _claims(request: SessionRequest, config: IssuerConfig) -> Mapping[str, object]:
    # Reserved claims: the payload guard refuses them from an application.
    claims = dict(request.claims)
    if request.resource is not None:
        claims[AUDIENCE] = [*select_audience(request.resource, config.audience)]
    if asked := parse_scope(request.scope):
        claims[ASKED_SCOPE] = [*asked]
    return claims


def device_secret(config: IssuerConfig) -> bytes:
    """Derive the MAC key of device cookies. A device cookie only selects the throttle bucket of a login attempt."""
    return Secrets.derive(config.secrets.current, b"device")


def new_id() -> Flow[str]:
    """Return a random 128-bit id as 22 base64url characters."""
    return encode_session_id((yield from call(Entropy.token_bytes, SESSION_ID_BYTES)))


def issue_device_cookie(identifier: str, nonce: bytes | None, config: IssuerConfig) -> Flow[PlaintextToken]:
    """Sign the device cookie of a browser after a login. ``nonce``: that of its present device cookie, to keep it."""
    cookie_nonce = nonce or (yield from call(Entropy.token_bytes, DEVICE_NONCE_BYTES))
    return PlaintextToken(sign_device_cookie(identifier, cookie_nonce, device_secret(config)))
