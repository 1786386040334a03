"""Conversion of refusals to HTTP replies. Such a reply never sets a cookie: a refusal destroys no credential (P9)."""

from http import HTTPStatus

from msgspec import UNSET

from keyturn.errors import (
    CredentialsNotOffered,
    InvalidMember,
    InvalidTarget,
    MethodNotAllowed,
    PasswordRejected,
    Refusal,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    UnsupportedGrantType,
    UnsupportedMediaType,
)
from keyturn.web.message import NO_STORE, Header, Reply, json_reply
from keyturn.web.schemas import OAuthProblem, Problem

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
    # RFC 8707 section 2.
    (InvalidTarget, "invalid_target", None),
    (CredentialsNotOffered, "unauthorized_client", 400),
    # The refresh tokens of the session are blocked. A client that knows no step-up logs in, which is right, too.
    (StepUpRequired, "invalid_grant", 400),
    # RFC 6749 section 4.1.2.1; section 5.2 defines no such code.
    (Unavailable, "temporarily_unavailable", None),
)


OAUTH_PATHS = frozenset(("/auth/token", "/auth/revoke", "/auth/introspect"))
"""Endpoints that OAuth libraries call: their errors follow RFC 6749 section 5.2."""


def problem(refusal: Refusal, error_page: str, path: str = "") -> Reply:
    """Return the reply for a refusal at ``path``. ``detail`` is left out: it is for operators only.

    ``error_page``: URL of the page that describes every code; the reply links to the section of this one.
    """
    docs = f"{error_page}#{refusal.code}"
    return _oauth(refusal, docs, path) if path in OAUTH_PATHS else _problem(refusal, docs)


def _problem(refusal: Refusal, docs: str) -> Reply:
    document = Problem(
        type=docs,
        title=HTTPStatus(refusal.status).phrase,
        status=refusal.status,
        code=refusal.code,
        hint=refusal.hint,
        docs=docs,
        reason=refusal.reason if isinstance(refusal, PasswordRejected) else UNSET,
        member=refusal.member if isinstance(refusal, InvalidMember) else UNSET,
    )
    headers = (*NO_STORE, *_headers(refusal, refusal.status))
    return json_reply(refusal.status, document, headers, media_type=PROBLEM_TYPE, refusal=refusal)


def _oauth(refusal: Refusal, docs: str, path: str) -> Reply:
    error, status = _oauth_error(refusal, path)
    document = OAuthProblem(
        error=error,
        error_description=refusal.hint,
        code=refusal.code,
        hint=refusal.hint,
        docs=docs,
        member=refusal.member if isinstance(refusal, InvalidMember) else UNSET,
    )
    return json_reply(status, document, (*NO_STORE, *_headers(refusal, status)), refusal=refusal)


def _oauth_error(refusal: Refusal, path: str) -> tuple[str, int]:
    if isinstance(refusal, Unauthenticated):
        # /auth/token: the grant is invalid, not the client. Elsewhere a 401 is about the caller (RFC 7662 2.3).
        return ("invalid_grant", 400) if path == "/auth/token" else ("invalid_client", refusal.status)
    for kind, error, status in _OAUTH_ERRORS:
        if isinstance(refusal, kind):
            return error, status or refusal.status
    return "invalid_request", refusal.status


def _headers(refusal: Refusal, status: int) -> list[Header]:
    headers: list[Header] = []
    if status == HTTPStatus.UNAUTHORIZED or refusal.code in _BEARER_ERRORS:
        headers.append((b"www-authenticate", _challenge(refusal)))
    if refusal.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % refusal.retry_after_seconds))
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"allow", refusal.allow.encode()))
    if isinstance(refusal, UnsupportedMediaType):
        # RFC 9110 section 15.5.16.
        headers.append((b"accept", refusal.expected.encode()))
    return headers


def _challenge(refusal: Refusal) -> bytes:
    error = _BEARER_ERRORS.get(refusal.code, "invalid_token")
    return f'Bearer error="{error}", error_description="{refusal.hint}"'.encode() if error else b"Bearer"
