"""Refusals as problem documents (RFC 9457) and OAuth errors."""

import re
from collections.abc import Iterator

import pytest

from keyturn import errors
from keyturn.errors import Refusal
from keyturn.web.problem import OAUTH_PATHS, problem
from web.browser import document, header


def tree(root: type[Refusal]) -> Iterator[type[Refusal]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


ERRORS = "https://login.example.com/docs/errors"
ALL = sorted(
    {each for each in tree(Refusal) if each.__module__.startswith("keyturn.errors.")}, key=lambda each: each.__name__
)
NAMES = [each.__name__ for each in ALL]


@pytest.mark.parametrize("kind", ALL, ids=NAMES)
@pytest.mark.conforms("RFC 9457 3.1")
def test_a_refusal_is_a_problem_document(kind: type[Refusal]) -> None:
    refusal = kind("secret detail")
    reply = problem(refusal, ERRORS)
    shown = document(reply)
    assert header(reply, b"content-type") == "application/problem+json"
    assert header(reply, b"cache-control") == "no-store"
    assert (shown["code"], shown["hint"], shown["status"]) == (kind.code, refusal.hint, kind.status)
    assert shown["type"] == shown["docs"] == f"{ERRORS}#{kind.code}"
    assert reply.status == kind.status
    assert reply.refusal is refusal


@pytest.mark.parametrize("path", ["", *sorted(OAUTH_PATHS)])
@pytest.mark.parametrize("kind", ALL, ids=NAMES)
def test_the_detail_stays_inside_and_no_cookie_is_cleared(kind: type[Refusal], path: str) -> None:
    reply = problem(kind("secret detail"), ERRORS, path)
    assert header(reply, b"set-cookie") is None
    if kind not in (
        errors.PasswordRejected,
        errors.InvalidMember,
        errors.MethodNotAllowed,
        errors.UnsupportedMediaType,
    ):
        assert b"secret" not in reply.body + b"".join(value for _, value in reply.headers)


@pytest.mark.parametrize("path", ["", *sorted(OAUTH_PATHS)])
@pytest.mark.parametrize("kind", ALL, ids=NAMES)
@pytest.mark.conforms("RFC 6750 3", "RFC 6750 3.1")
def test_a_401_challenges_as_rfc_6750_says(kind: type[Refusal], path: str) -> None:
    reply = problem(kind("why"), ERRORS, path)
    challenge = header(reply, b"www-authenticate")
    assert (reply.status != 401) or challenge is not None
    if challenge is not None:
        attribute = r'="[\x20-\x21\x23-\x5b\x5d-\x7e]+"'
        assert re.fullmatch(rf"Bearer( error{attribute}, error_description{attribute})?", challenge)


@pytest.mark.parametrize(
    ("refusal", "challenge"),
    [
        (errors.Unauthenticated(), "Bearer"),
        (errors.LoginFailed(), "Bearer"),
        (errors.TokenExpired(), f'Bearer error="invalid_token", error_description="{errors.TokenExpired.hint}"'),
        (errors.Forbidden(), f'Bearer error="insufficient_scope", error_description="{errors.Forbidden.hint}"'),
        (
            errors.StepUpRequired(),
            f'Bearer error="insufficient_user_authentication", error_description="{errors.StepUpRequired.hint}"',
        ),
        (errors.CrossOrigin(), None),
    ],
    ids=lambda each: getattr(each, "code", ""),
)
def test_the_www_authenticate_challenge_names_the_error(refusal: Refusal, challenge: str | None) -> None:
    assert header(problem(refusal, ERRORS), b"www-authenticate") == challenge


def test_not_now_says_when() -> None:
    assert header(problem(errors.Throttled(retry_after_seconds=7), ERRORS), b"retry-after") == "7"
    assert header(problem(errors.RevocationUnknown(), ERRORS), b"retry-after") == "1"


def test_a_wrong_method_names_the_right_ones() -> None:
    assert header(problem(errors.MethodNotAllowed("GET, HEAD"), ERRORS), b"allow") == "GET, HEAD"


def test_a_problem_shows_its_public_details() -> None:
    assert document(problem(errors.PasswordRejected("Too short."), ERRORS))["reason"] == "Too short."
    assert document(problem(errors.InvalidMember("email"), ERRORS))["member"] == "email"
    assert document(problem(errors.InvalidMember("token"), ERRORS, "/auth/revoke"))["member"] == "token"


@pytest.mark.parametrize(
    ("path", "refusal", "status", "error"),
    [
        ("/auth/token", errors.TokenReused(), 400, "invalid_grant"),
        ("/auth/token", errors.CounterAhead(), 400, "invalid_grant"),
        ("/auth/token", errors.UnsupportedGrantType(), 400, "unsupported_grant_type"),
        ("/auth/token", errors.CredentialsNotOffered(), 400, "unauthorized_client"),
        ("/auth/token", errors.InvalidMember("grant_type"), 400, "invalid_request"),
        ("/auth/token", errors.PayloadTooLarge(), 413, "invalid_request"),
        ("/auth/token", errors.CrossOrigin(), 403, "invalid_request"),
        ("/auth/token", errors.StoreUnavailable(), 503, "temporarily_unavailable"),
        ("/auth/introspect", errors.Unauthenticated(), 401, "invalid_client"),
        ("/auth/introspect", errors.TokenInvalid(), 401, "invalid_client"),
        ("/auth/revoke", errors.UnsupportedMediaType("application/json"), 415, "invalid_request"),
    ],
    ids=lambda each: each if isinstance(each, str) else getattr(each, "code", None),
)
@pytest.mark.conforms("RFC 6749 5.2")
def test_oauth_endpoints_answer_as_rfc_6749_says(path: str, refusal: Refusal, status: int, error: str) -> None:
    reply = problem(refusal, ERRORS, path)
    shown = document(reply)
    assert (reply.status, shown["error"], shown["code"]) == (status, error, refusal.code)
    assert shown["error_description"] == shown["hint"] == refusal.hint
    assert header(reply, b"content-type") == "application/json"
