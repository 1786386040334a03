"""Table of all operations, and dispatch from a method and a path to an endpoint."""

from typing import Final

from keyturn import errors
from keyturn.core.session_cursor import CURSOR_PATTERN
from keyturn.core.types import Instant
from keyturn.errors import Refusal
from keyturn.feed_schema import FeedResponse
from keyturn.flows.effects import Flow
from keyturn.ports import MAX_LISTED
from keyturn.web.config import WebConfig
from keyturn.web.cors import without_app_cookies
from keyturn.web.endpoints import (
    accounts,
    client_script,
    error_page,
    login,
    metadata,
    password,
    service,
    session,
    token,
)
from keyturn.web.forms import call_endpoint
from keyturn.web.message import Reply, Request, json_reply, without_body
from keyturn.web.openapi import document
from keyturn.web.problem import problem
from keyturn.web.refusal_groups import ALWAYS, BEARER, BODY, ENTER, PASSWORD, READ, TOKEN, WRITE
from keyturn.web.route import Route, Scheme
from keyturn.web.route_table import RouteTable
from keyturn.web.schemas import (
    AccountRequest,
    AccountResponse,
    IntrospectionResponse,
    IntrospectRequest,
    IssuedResponse,
    KeysResponse,
    LoginForm,
    LoginRequest,
    MetadataResponse,
    PageForm,
    PasswordForm,
    PasswordRequest,
    RevokedResponse,
    RevokeRequest,
    SessionResponse,
    SessionsResponse,
    StepUpForm,
    StepUpRequest,
    TokenRequest,
)

_FORM: Final = "application/x-www-form-urlencoded"

_SEQUENCE: Final = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}

_CALLER: tuple[Scheme, ...] = ("bearer", "session", "access")


def get_openapi(_request: Request, _now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return this OpenAPI document."""
    yield from ()
    return json_reply(200, document(ROUTES, config), metadata.public_cache_headers(config))


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/auth/signup",
        login.post_signup,
        (*ENTER, errors.AccountExists),
        IssuedResponse,
        status=201,
        request=LoginRequest,
        form=LoginForm,
    ),
    Route("POST", "/auth/login", login.post_login, ENTER, IssuedResponse, request=LoginRequest, form=LoginForm),
    Route(
        "POST",
        "/auth/token",
        token.post_token,
        TOKEN,
        IssuedResponse,
        request=TokenRequest,
        media=_FORM,
    ),
    Route(
        "POST",
        "/auth/logout",
        session.post_logout,
        (*WRITE, *BODY, errors.NotFound),
        RevokedResponse,
        schemes=_CALLER,
        form=PageForm,
    ),
    Route(
        "POST",
        "/auth/logout-all",
        session.post_logout_all,
        (*WRITE, *BODY),
        RevokedResponse,
        schemes=_CALLER,
        form=PageForm,
    ),
    Route(
        "POST",
        "/auth/logout-others",
        session.post_logout_others,
        (*WRITE, *BODY, errors.NotFound),
        RevokedResponse,
        schemes=_CALLER,
        form=PageForm,
    ),
    Route("GET", "/auth/session", session.get_session, READ, SessionResponse, schemes=_CALLER),
    Route(
        "GET",
        "/auth/sessions",
        session.get_sessions,
        (*READ, errors.InvalidMember),
        SessionsResponse,
        schemes=_CALLER,
        query=(
            ("after", {"type": "string", "pattern": CURSOR_PATTERN}),
            ("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LISTED}),
        ),
    ),
    Route(
        "DELETE",
        "/auth/sessions/{sid}",
        session.end_session,
        (*WRITE, errors.NotFound),
        RevokedResponse,
        schemes=_CALLER,
    ),
    Route(
        "POST",
        "/auth/sessions/{sid}",
        session.end_session_by_post,
        (*WRITE, *BODY, errors.NotFound),
        RevokedResponse,
        schemes=_CALLER,
        form=PageForm,
    ),
    Route(
        "POST",
        "/auth/password",
        password.post_password,
        (*WRITE, *BODY, *PASSWORD),
        IssuedResponse,
        request=PasswordRequest,
        schemes=_CALLER,
        form=PasswordForm,
    ),
    Route(
        "POST",
        "/auth/step-up",
        password.post_step_up,
        (*WRITE, *BODY, *PASSWORD),
        IssuedResponse,
        request=StepUpRequest,
        schemes=_CALLER,
        form=StepUpForm,
    ),
    *(
        Route(
            "POST",
            path,
            endpoint,
            (*WRITE, *BODY, errors.Forbidden, errors.StepUpRequired, errors.NotFound),
            AccountResponse,
            request=AccountRequest,
            schemes=_CALLER,
        )
        for path, endpoint in (
            ("/auth/accounts/disable", accounts.post_disable),
            ("/auth/accounts/enable", accounts.post_enable),
        )
    ),
    Route(
        "POST",
        "/auth/revoke",
        service.post_revoke,
        (*ALWAYS, *BODY, errors.NotDurable),
        RevokedResponse,
        request=RevokeRequest,
        media=_FORM,
    ),
    Route(
        "POST",
        "/auth/introspect",
        service.post_introspect,
        (*ALWAYS, *BODY, *BEARER),
        IntrospectionResponse,
        request=IntrospectRequest,
        media=_FORM,
        schemes=("service",),
    ),
    Route(
        "GET",
        "/auth/revocations",
        service.get_revocations,
        (*ALWAYS, *BEARER, errors.InvalidMember),
        FeedResponse,
        schemes=("service",),
        query=(("after", _SEQUENCE), ("seed", _SEQUENCE)),
        feed=True,
    ),
    Route("GET", "/auth/client.js", client_script.get_client_script, ALWAYS, answer="script"),
    Route("GET", "/.well-known/jwks.json", metadata.get_jwks, ALWAYS, KeysResponse),
    Route("GET", "/.well-known/oauth-authorization-server", metadata.get_metadata, ALWAYS, MetadataResponse),
    Route("GET", "/.well-known/openid-configuration", metadata.get_metadata, ALWAYS, MetadataResponse),
    Route("GET", "/openapi.json", get_openapi, ALWAYS),
    Route("GET", "/docs/errors", error_page.get_error_page, ALWAYS, answer="html"),
)

TABLE: Final = RouteTable(ROUTES)
match, find = TABLE.match, TABLE.find


def handle(request: Request, now: Instant, config: WebConfig, found: Route | Refusal | None = None) -> Flow[Reply]:
    """Call the endpoint of the request. Return its reply, or the problem document of the refusal that it raised.

    ``found``: what ``find`` returned for the request, if the caller has called it.
    """
    try:
        route = found or match(request.method, request.path)
        if isinstance(route, Refusal):
            raise route
        reply = yield from call_endpoint(route, without_app_cookies(request, config.origins), now, config)
    except Refusal as refusal:
        reply = problem(refusal, config.error_page, request.path)
    return without_body(reply) if request.method == "HEAD" else reply
