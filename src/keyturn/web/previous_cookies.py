"""Cookies of earlier logins in a browser, which a login replaces."""

from collections.abc import Iterable, Mapping

from keyturn.core.cookie import find_cookie
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import CredentialKind, parse
from keyturn.errors import BadRequest, Unauthenticated
from keyturn.web.credentials import LOGIN_COOKIES
from keyturn.web.message import Request

_SEALED = {"session": CredentialKind.SESSION, "refresh": CredentialKind.REFRESH}


def find_previous_cookies(request: Request, config: IssuerConfig) -> dict[str, str]:
    """Return the cookies that a login replaces, by name. The value is empty if the cookie is malformed or repeated.

    These are the login cookies of the present names, and all cookies that this issuer set under former names: before
    it moved from http to https, or before its prefix was set.
    """
    policy = config.profile.cookie
    found = _read(request, map(policy.name, LOGIN_COOKIES))
    for start in policy.former_name_starts:
        cookies = _read(request, (start + role for role in (*LOGIN_COOKIES, "device")))
        if _has_own_seal(cookies, start, config):
            found |= cookies
    return found


def _read(request: Request, names: Iterable[str]) -> dict[str, str]:
    headers, found = request.values(b"cookie"), dict[str, str]()
    for name in names:
        try:
            text = find_cookie(headers, name)
        except BadRequest:
            text = ""
        if text is not None:
            found[name] = text
    return found


def _has_own_seal(cookies: Mapping[str, str], start: str, config: IssuerConfig) -> bool:
    """Return True if this issuer sealed one of the cookies whose names begin with ``start``.

    Another issuer on the same host has another secret: a login here must not delete its cookies.
    """
    return any(_is_own(cookies.get(start + role, ""), kind, config) for role, kind in _SEALED.items())


def _is_own(text: str, kind: CredentialKind, config: IssuerConfig) -> bool:
    try:
        parse(text, kind, config.secrets)
    except Unauthenticated:
        return False
    return True
