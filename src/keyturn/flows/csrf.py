"""CSRF tokens: bound to one session, useless without its cookie (OWASP CSRF Cheat Sheet, HMAC-based token)."""

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import CredentialKind, ParsedCredential, PlaintextToken, parse, verify_mac
from keyturn.core.session import Session
from keyturn.core.types import SessionId
from keyturn.errors import CsrfTokenRequired, TokenRevoked, Unauthenticated
from keyturn.flows.effects import Flow, call
from keyturn.flows.issue import csrf_token
from keyturn.ports import SessionStore
from keyturn.ports.caches import SessionCache


def csrf_token_of(sid: SessionId, config: IssuerConfig, known: Session | None = None) -> Flow[PlaintextToken]:
    """Return the CSRF token of session ``sid``. Raises ``TokenRevoked`` if the session does not exist.

    ``known``: the session, if the caller has read it. Its seed, which makes the token, never changes.
    """
    session = known or (yield from _load_session(sid))
    if session is None:
        raise TokenRevoked("the session does not exist")
    return csrf_token(session, config)


def verify_csrf_token(text: str, sid: SessionId, config: IssuerConfig, known: Session | None = None) -> Flow[None]:
    """Raise ``CsrfTokenRequired`` unless ``text`` is the CSRF token of ``sid``. Does not check the session's state.

    ``known``: the session, if the caller has read it.
    """
    credential = _parse(text, config)
    # Another session's token: the attacker's own, injected into the victim's browser.
    if credential.sid != sid or credential.counter != 0:
        raise CsrfTokenRequired("the CSRF token belongs to another session")
    session = known or (yield from _load_session(sid))
    if session is None or not verify_mac(credential, session.seed):
        raise CsrfTokenRequired("the MAC of the CSRF token does not match its session")


def _parse(text: str, config: IssuerConfig) -> ParsedCredential:
    try:
        return parse(text, CredentialKind.CSRF, config.secrets)
    except Unauthenticated as refusal:
        raise CsrfTokenRequired(refusal.detail) from None


def _load_session(sid: SessionId) -> Flow[Session | None]:
    # The seed of a session never changes, so a cached session is as good as the stored one.
    loaded = (yield from call(SessionCache.get, sid)) or (yield from call(SessionStore.load, sid))
    return loaded.session if loaded else None
