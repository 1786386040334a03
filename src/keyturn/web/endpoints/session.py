"""Endpoints for the principal of the request, the list of sessions, and logout."""

from dataclasses import asdict, replace
from typing import Annotated
from urllib.parse import quote

from msgspec import UNSET, Meta, Struct, UnsetType

from keyturn.core.csrf import SAFE_METHODS
from keyturn.core.principal import Principal
from keyturn.core.types import Instant, SessionId
from keyturn.flows.csrf import csrf_token_of
from keyturn.flows.effects import Flow
from keyturn.flows.logout_others import revoke_other_sessions
from keyturn.flows.revoke import LOGOUT, revoke_session, revoke_subject
from keyturn.flows.sessions import list_sessions
from keyturn.ports import MAX_LISTED
from keyturn.web.config import WebConfig
from keyturn.web.guard import authenticate, guard
from keyturn.web.message import NO_STORE, Header, Reply, Request, json_reply
from keyturn.web.parse import read_query
from keyturn.web.replies import revoked_reply
from keyturn.web.schemas import SessionResponse, SessionsResponse, SessionSummaryResponse


class SessionsQuery(Struct, frozen=True):
    """Query parameters of the list of sessions. ``after``: ``next`` of the page before."""

    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED, extra={"expected": f"a number from 1 to {MAX_LISTED}"})] = (
        MAX_LISTED
    )


def get_session(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return the principal of this request.

    With a cookie also the CSRF token, for a page that was reloaded.
    """
    principal, credential, known, _ = yield from authenticate(_delivery(request), now, config)
    csrf_token: str | UnsetType = UNSET
    if credential.cookie:
        csrf_token = (yield from csrf_token_of(principal.sid, config.issuer_config, known)).reveal()
    answer = SessionResponse(
        subject=principal.subject,
        sid=principal.sid,
        client_id=principal.client_id,
        credential=principal.credential,
        auth_time=principal.auth_time,
        credential_expires_at=principal.credential_expires_at,
        acr=principal.acr,
        amr=principal.amr,
        scope=" ".join(principal.scope),
        csrf_token=csrf_token,
    )
    return json_reply(200, answer, (*NO_STORE, *_describe(principal)))


def get_sessions(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """List the active sessions of the caller, newest first, a page at a time if it asks for one."""
    principal = yield from guard(request, now, config)
    query = read_query(request, SessionsQuery)
    # One more than the page shows whether there is a next one.
    number = min(query.limit + 1, MAX_LISTED)
    found = yield from list_sessions(principal.subject, now, config.issuer_config, query.after, number)
    page = found[: query.limit]
    shown = [SessionSummaryResponse(current=each.sid == principal.sid, **asdict(each)) for each in page]
    return json_reply(200, SessionsResponse(sessions=shown, next=page[-1].cursor if len(found) > len(page) else UNSET))


def end_session(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """End one of the caller's sessions."""
    principal, credential, *_ = yield from authenticate(request, now, config)
    # ``match`` has checked the last segment: it has the format of a session id.
    sid = SessionId(request.path.rpartition("/")[2])
    revoked = yield from revoke_session(sid, "ended by its owner", now, config.issuer_config, owner=principal.subject)
    return revoked_reply(revoked, config.issuer_config, clear=sid == principal.sid and credential.cookie)


def end_session_by_post(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """End one of the caller's sessions, as DELETE does: an HTML form cannot send DELETE."""
    return end_session(request, now, config)


def post_logout(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """End the session of this request."""
    principal, credential, *_ = yield from authenticate(request, now, config)
    revoked = yield from revoke_session(principal.sid, LOGOUT, now, config.issuer_config)
    return revoked_reply(revoked, config.issuer_config, clear=credential.cookie)


def post_logout_all(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """End every session of the caller."""
    principal, credential, *_ = yield from authenticate(request, now, config)
    revoked = yield from revoke_subject(principal.subject, now, config.issuer_config)
    return revoked_reply(revoked, config.issuer_config, clear=credential.cookie)


def post_logout_others(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """End every other session of the caller. Access tokens of this session end, too: refresh them."""
    principal = yield from guard(request, now, config)
    revoked = yield from revoke_other_sessions(principal.sid, now, config.issuer_config)
    return revoked_reply(revoked, config.issuer_config, clear=False)


def _delivery(request: Request) -> Request:
    # An auth_request proxy sends GET on behalf of a request that may be unsafe. Any client may send the header: an
    # unsafe method only adds checks.
    unsafe = [each for each in request.values(b"x-original-method") if each.decode("latin-1") not in SAFE_METHODS]
    return replace(request, method=unsafe[0].decode("latin-1")) if unsafe else request


def _describe(principal: Principal) -> tuple[Header, ...]:
    """Return the principal as headers, for proxies. Percent-encoded against header injection (CWE-113)."""
    named = {
        b"keyturn-subject": principal.subject,
        b"keyturn-client": principal.client_id,
        b"keyturn-scope": " ".join(principal.scope),
    }
    return tuple((name, quote(value, safe=" :/@").encode()) for name, value in named.items())
