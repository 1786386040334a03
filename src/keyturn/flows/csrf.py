"""CSRF tokens: bound to one session, useless without its cookie (OWASP CSRF Cheat Sheet, HMAC-based token)."""

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import CredentialKind, ParsedCredential, PlaintextToken, parse, verify_mac
from keyturn.core.session import Session
from keyturn.core.types import SessionId
from keyturn.errors import CsrfTokenRequired, TokenRevoked, Unauthenticated
from keyturn.flows import effects
from keyturn.flows.effects import Flow
from keyturn.flows.issue import csrf_token


def csrf_token_of(sid: SessionId, realm: IssuerConfig) -> Flow[PlaintextToken]:
    """Return the CSRF token of session ``sid``. Raises ``TokenRevoked`` if the session does not exist."""
    session = yield from _session(sid)
    if session is None:
        raise TokenRevoked("the session is gone")
    return csrf_token(session, realm)


def verify_csrf_token(text: str, sid: SessionId, realm: IssuerConfig) -> Flow[None]:
    """Raise ``CsrfTokenRequired`` unless ``text`` is the CSRF token of ``sid``. Does not check the session's state."""
    presented = _parse(text, realm)
    # Another session's token: the attacker's own, injected into the victim's browser.
    if presented.sid != sid or presented.counter != 0:
        raise CsrfTokenRequired("the CSRF token of another session")
    session = yield from _session(sid)
    if session is None or not verify_mac(presented, session.seed):
        raise CsrfTokenRequired("no session made this CSRF token")


def _parse(text: str, realm: IssuerConfig) -> ParsedCredential:
    try:
        return parse(text, CredentialKind.CSRF, realm.secrets)
    except Unauthenticated as refusal:
        raise CsrfTokenRequired(refusal.detail) from None


def _session(sid: SessionId) -> Flow[Session | None]:
    # The seed of a session never changes, so a cached session is as good as the stored one.
    found = (yield from effects.get_cached(sid)) or (yield from effects.load(sid))
    return found.session if found else None
