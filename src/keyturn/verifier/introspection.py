"""Token introspection (RFC 7662): the fallback of a verifier whose feed is stale."""

from collections.abc import Callable
from urllib.parse import urlencode

import msgspec

from keyturn.verifier.fetch import Fetch, bearer_header, fetch, fetch_as, request

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class _Response(msgspec.Struct):
    active: bool


class HttpIntrospection:
    """Callable that returns True if the issuer reports a token as active. Raises ``Unavailable`` without a response.

    ``url``: URL, or a function that returns it. ``service_token`` authenticates this service (RFC 7662 section 2.1).
    Raises ``ConfigurationError`` for a malformed service token.
    """

    def __init__(self, url: str | Callable[[], str], service_token: str | None = None, *, send: Fetch = fetch) -> None:
        self._url = url
        self._auth_header = bearer_header(service_token)
        self._send = send

    def __call__(self, token: str) -> bool:
        url = self._url if isinstance(self._url, str) else self._url()
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        return fetch_as(_Response, request(url, {**_FORM, **self._auth_header}, body), self._send).active
