"""CSRF tokens of forms that are shown before a login, when there is no session that a token could be bound to.

A short-lived cookie holds a random id; the hidden field of the form holds a token that is sealed over that id (OWASP
Cross-Site Request Forgery Prevention Cheat Sheet: signed double-submit cookie). Another site can read neither, and the
token that it gets for itself belongs to another id: it cannot log a browser in to an account of its own (login CSRF).
"""

import hmac
from typing import Final

from keyturn.core.sealed import CredentialKind, PlaintextToken, Secrets, parse, seal, verify_mac
from keyturn.core.session import Seed
from keyturn.core.session_id import SESSION_ID_BYTES, decode_session_id, encode_session_id
from keyturn.core.types import Instant, SessionId
from keyturn.errors import CsrfTokenRequired, Unauthenticated

FORM_SECONDS: Final = 60 * 60
"""Lifetime of a form's cookie and token, in seconds. Each page that is shown renews the cookie."""

FORM_ID_BYTES: Final = SESSION_ID_BYTES

_NO_SEED: Final = Seed(b"")


def new_form_id(random_bytes: bytes) -> str:
    """Encode 16 random bytes as the value of a form's cookie."""
    return encode_session_id(random_bytes)


def is_form_id(text: str) -> bool:
    """Return True if ``text`` has the format of a form's cookie."""
    return decode_session_id(text) is not None


def seal_form_token(form_id: str, now: Instant, secrets: Secrets) -> PlaintextToken:
    """Make the token of a form whose cookie holds ``form_id``."""
    return seal(CredentialKind.FORM, SessionId(form_id), now, _NO_SEED, secrets)


def check_form_token(text: str, form_id: str | None, now: Instant, secrets: Secrets) -> None:
    """Raise ``CsrfTokenRequired`` unless ``text`` is the token of ``form_id``, made within ``FORM_SECONDS``."""
    try:
        token = parse(text, CredentialKind.FORM, secrets)
    except Unauthenticated as refusal:
        raise CsrfTokenRequired(refusal.detail) from None
    if form_id is None or not hmac.compare_digest(token.sid.encode(), form_id.encode()):
        raise CsrfTokenRequired("the token of the form belongs to another cookie, or there is none")
    if not verify_mac(token, _NO_SEED) or now - token.counter > FORM_SECONDS:
        raise CsrfTokenRequired("the token of the form is wrong or has expired")
