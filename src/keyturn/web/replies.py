"""Replies that deliver credentials in cookies, in a JSON body, or both, and replies to revocations."""

from collections.abc import Collection

from msgspec import UNSET, UnsetType

from keyturn.core.cookie import MAX_AGE_SECONDS, clear_cookie, set_cookie
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import HOST_PREFIX, Deliver
from keyturn.core.sealed import PlaintextToken
from keyturn.core.types import Instant
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.revoke import RevocationReceipt
from keyturn.web.credentials import LOGIN_COOKIES, CookieRole
from keyturn.web.message import NO_STORE, Header, Reply, json_reply
from keyturn.web.schemas import IssuedResponse, RevokedResponse

# RFC 6749 section 5.1 requires both headers: Pragma is for caches older than RFC 9111.
_PRIVATE: tuple[Header, ...] = (*NO_STORE, (b"pragma", b"no-cache"))
_ROLES: dict[Deliver, tuple[CookieRole, ...]] = {
    "cookie": ("session",),
    "tokens": (),
    "both": ("session",),
    "token-cookies": ("access", "refresh"),
}


def login_cookies(issued: IssuedCredentials, now: Instant, config: IssuerConfig) -> tuple[str, ...]:
    """Return the Set-Cookie header values of a login, a refresh or a step-up, for a response of one's own.

    Send ``Cache-Control: no-store`` with them. Empty for ``deliver="tokens"``.
    """
    return tuple(value.decode() for _, value in _cookies(issued, now, config))


def logout_cookies(config: IssuerConfig) -> tuple[str, ...]:
    """Return the Set-Cookie header values that delete the login cookies, for a response after a revocation."""
    return tuple(value.decode() for _, value in _clear_all(config))


def issued_reply(
    status: int,
    issued: IssuedCredentials,
    now: Instant,
    config: IssuerConfig,
    previous: Collection[str] = (),
) -> Reply:
    """Build the reply to a login, a refresh or a step-up.

    ``previous``: names of the cookies of earlier logins that this one replaces. Those that are not overwritten are
    cleared: the browser would present them instead of the new ones.
    """
    overwritten = set(map(config.profile.cookie.name, _ROLES[issued.deliver]))
    stale = [_clear(name, config) for name in previous if name not in overwritten]
    return json_reply(status, _answer(issued, now), (*_PRIVATE, *_cookies(issued, now, config), *stale))


def revoked_reply(revoked: RevocationReceipt, config: IssuerConfig, *, clear: bool) -> Reply:
    """Build the reply to a revocation.

    ``clear``: clear the login cookies, because the revoked session was in them. Cookies are cleared only after the
    session was revoked (P9).
    """
    answer = RevokedResponse(revoked=True, sequence=revoked.sequence, within_seconds=revoked.within_seconds)
    return json_reply(200, answer, (*NO_STORE, *(_clear_all(config) if clear else ())))


def _answer(issued: IssuedCredentials, now: Instant) -> IssuedResponse:
    session, in_body = issued.session, issued.deliver in ("tokens", "both")
    access_end = issued.token_expires_at
    return IssuedResponse(
        subject=session.subject,
        sid=session.sid,
        session_expires_at=issued.session_expires_at,
        access_token=_reveal(issued.access_token if in_body else None),
        token_type="Bearer" if in_body else UNSET,
        expires_in=UNSET if access_end is None else access_end - now,
        refresh_token=_reveal(issued.refresh_token if in_body else None),
        scope=session.scope or UNSET,
        csrf_token=_reveal(issued.csrf_token),
    )


def _reveal(token: PlaintextToken | None) -> str | UnsetType:
    return UNSET if token is None else token.reveal()


def _cookies(issued: IssuedCredentials, now: Instant, config: IssuerConfig) -> list[Header]:
    if issued.deliver == "tokens":
        return []
    seconds = min(max(issued.session_expires_at - now, 0), MAX_AGE_SECONDS)
    values = {
        "session": issued.session_token,
        "access": issued.access_token,
        "refresh": issued.refresh_token,
    }
    cookies = [_set(role, values[role], seconds, config) for role in _ROLES[issued.deliver]]
    return [each for each in (*cookies, _set("device", issued.device_token, MAX_AGE_SECONDS, config)) if each]


def _set(role: CookieRole, token: PlaintextToken | None, seconds: int, config: IssuerConfig) -> Header | None:
    if token is None:
        return None
    policy = config.profile.cookie
    return b"set-cookie", set_cookie(
        policy.name(role),
        token.reveal(),
        max_age_seconds=seconds,
        same_site=policy.same_site,
        secure=policy.secure,
    ).encode()


def _clear_all(config: IssuerConfig) -> list[Header]:
    return [_clear(config.profile.cookie.name(role), config) for role in LOGIN_COOKIES]


def _clear(name: str, config: IssuerConfig) -> Header:
    policy = config.profile.cookie
    # A former name may have the prefix although the present ones have not: a browser requires Secure with it.
    secure = policy.secure or name.startswith(HOST_PREFIX)
    return b"set-cookie", clear_cookie(name, same_site=policy.same_site, secure=secure).encode()
