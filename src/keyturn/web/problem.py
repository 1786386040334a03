"""Problem: a refusal as HTTP says it. Never a Set-Cookie in it: a refusal destroys no credential (P9)."""

from http import HTTPStatus

from msgspec import UNSET

from keyturn.errors import (
    CredentialsNotOffered,
    InvalidMember,
    MethodNotAllowed,
    PasswordRejected,
    Refusal,
    Unauthenticated,
    Unavailable,
    UnsupportedGrantType,
)
from keyturn.web.message import NO_STORE, Header, Reply, json_reply
from keyturn.web.shapes import OAuthProblem, Problem

PROBLEM_TYPE = "application/problem+json"

_BEARER_ERRORS = {
    # RFC 6750 section 3.1: without a credential there is no error code; a failed login presented no token.
    "unauthenticated": "",
    "login_failed": "",
    "forbidden": "insufficient_scope",
    # RFC 9470 section 3.
    "step_up_required": "insufficient_user_authentication",
}

_OAUTH_ERRORS: tuple[tuple[type[Refusal], str, int | None], ...] = (
    (UnsupportedGrantType, "unsupported_grant_type", None),
    (CredentialsNotOffered, "unauthorized_client", 400),
    # RFC 6749 section 4.1.2.1; section 5.2 has no word for it.
    (Unavailable, "temporarily_unavailable", None),
)


def problem(refusal: Refusal) -> Reply:
    """RFC 9457. ``detail`` stays inside: it is for operators."""
    document = Problem(
        type=refusal.docs,
        title=HTTPStatus(refusal.status).phrase,
        status=refusal.status,
        code=refusal.code,
        hint=refusal.hint,
        docs=refusal.docs,
        reason=refusal.reason if isinstance(refusal, PasswordRejected) else UNSET,
        member=refusal.member if isinstance(refusal, InvalidMember) else UNSET,
    )
    headers = (*NO_STORE, *_headers(refusal, refusal.status))
    return json_reply(refusal.status, document, headers, media_type=PROBLEM_TYPE, refusal=refusal)


def grant_problem(refusal: Refusal) -> Reply:
    """What the token endpoint answers: a credential that is no good is an ``invalid_grant`` (RFC 6749 section 5.2)."""
    if isinstance(refusal, Unauthenticated):
        return _oauth(refusal, "invalid_grant", 400)
    return service_problem(refusal)


def service_problem(refusal: Refusal) -> Reply:
    """What revocation and introspection answer: there a 401 is about the caller (RFC 7662 section 2.3)."""
    if isinstance(refusal, Unauthenticated):
        return _oauth(refusal, "invalid_client", refusal.status)
    for kind, error, status in _OAUTH_ERRORS:
        if isinstance(refusal, kind):
            return _oauth(refusal, error, status or refusal.status)
    return _oauth(refusal, "invalid_request", refusal.status)


def _oauth(refusal: Refusal, error: str, status: int) -> Reply:
    document = OAuthProblem(
        error=error,
        error_description=refusal.hint,
        code=refusal.code,
        hint=refusal.hint,
        docs=refusal.docs,
        member=refusal.member if isinstance(refusal, InvalidMember) else UNSET,
    )
    return json_reply(status, document, (*NO_STORE, *_headers(refusal, status)), refusal=refusal)


def _headers(refusal: Refusal, status: int) -> list[Header]:
    headers: list[Header] = []
    if status == HTTPStatus.UNAUTHORIZED or refusal.code in _BEARER_ERRORS:
        headers.append((b"www-authenticate", _challenge(refusal)))
    if refusal.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % refusal.retry_after_seconds))
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"allow", refusal.allow.encode()))
    return headers


def _challenge(refusal: Refusal) -> bytes:
    error = _BEARER_ERRORS.get(refusal.code, "invalid_token")
    return f'Bearer error="{error}", error_description="{refusal.hint}"'.encode() if error else b"Bearer"
