"""Issuance of the credentials of a session for a delivery."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyturn.core.audience import granted_audience, select_audience
from keyturn.core.base64url import encode_base64url
from keyturn.core.claims import acr_for, application_claims, build_claims
from keyturn.core.immutable import EMPTY
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.lifecycle import ends_at
from keyturn.core.policy import Deliver
from keyturn.core.principal import Principal
from keyturn.core.sealed import CredentialKind, PlaintextToken, seal
from keyturn.core.session import Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.flows.effects import Flow, call
from keyturn.ports import Entropy, Signer


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """Credentials issued by a login, a refresh or a step-up.

    ``repr`` masks the tokens. A token is None if the delivery does not include it.
    ``session_expires_at``: end of the session in any case. ``token_expires_at``: expiry of the access token. Both are
    whole seconds since 1970.
    ``device_token``: value of the device cookie, after a login or a signup.
    """

    session: Session
    deliver: Deliver
    session_expires_at: Instant
    session_token: PlaintextToken | None = None
    csrf_token: PlaintextToken | None = None
    access_token: PlaintextToken | None = None
    refresh_token: PlaintextToken | None = None
    token_expires_at: Instant | None = None
    device_token: PlaintextToken | None = None

    @property
    def subject(self) -> Subject:
        """Subject of the session."""
        return self.session.subject

    @property
    def sid(self) -> SessionId:
        """Id of the session; not a secret."""
        return self.session.sid


def issue(
    session: Session, deliver: Deliver, now: Instant, config: IssuerConfig, resource: Sequence[str] | None = None
) -> Flow[IssuedCredentials]:
    """Issue the credentials of ``session`` at its present counters. Call ``check_resource`` before any effect."""
    cookie = deliver in ("cookie", "both")
    access, expires_at = None, None
    if deliver != "cookie":
        access, expires_at = yield from access_token(session, now, config, resource)
    return IssuedCredentials(
        session,
        deliver,
        ends_at(session, config.profile.session),
        session_token=_seal(CredentialKind.SESSION, session, session.renewals, config) if cookie else None,
        csrf_token=csrf_token(session, config) if deliver != "tokens" else None,
        access_token=access,
        refresh_token=_seal(CredentialKind.REFRESH, session, session.rotations, config)
        if deliver != "cookie"
        else None,
        token_expires_at=expires_at,
    )


def check_resource(
    session: Session, deliver: Deliver, config: IssuerConfig, resource: Sequence[str] | None = None
) -> None:
    """Raise ``InvalidTarget`` unless ``issue`` can issue ``deliver`` for ``resource``."""
    if deliver != "cookie" or resource is not None:
        select_audience(resource, granted_audience(session, config))


def access_token(
    session: Session, now: Instant, config: IssuerConfig, resource: Sequence[str] | None = None
) -> Flow[tuple[PlaintextToken, Instant]]:
    """Sign an access token. Return it with its expiry."""
    jti = encode_base64url((yield from call(Entropy.token_bytes, 12))).decode()
    claims = build_claims(session, jti, now, config, resource)
    token = yield from call(Signer.sign, claims, now)
    return PlaintextToken(token), Instant(int(str(claims["exp"])))


def csrf_token(session: Session, config: IssuerConfig) -> PlaintextToken:
    """Return the session's CSRF token (OWASP CSRF Cheat Sheet): constant per session, useless without its cookie."""
    return _seal(CredentialKind.CSRF, session, 0, config)


def session_principal(session: Session, config: IssuerConfig) -> Principal:
    """Return the principal of a session token that was verified."""
    return Principal(
        subject=session.subject,
        sid=session.sid,
        client_id=session.client.client_id,
        credential="session",
        auth_time=session.auth_time,
        credential_expires_at=min(session.expires_at, ends_at(session, config.profile.session)),
        amr=session.amr,
        acr=acr_for(session.amr),
        scope=tuple(session.scope.split()),
        generation=session.generation,
        issued_at=session.created_at,
        claims=application_claims(session.claims) if session.claims else EMPTY,
    )


def _seal(kind: CredentialKind, session: Session, counter: int, config: IssuerConfig) -> PlaintextToken:
    return seal(kind, session.sid, counter, session.seed, config.secrets)
