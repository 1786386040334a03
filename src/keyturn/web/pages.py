"""Support for the pages of an application beside the endpoints: tokens of forms, redirects to the login, cookies."""

import asyncio
import time
from typing import TYPE_CHECKING

from keyturn.config.settings import split_list
from keyturn.core.session import ClientInfo
from keyturn.errors import ConfigurationError, Refusal
from keyturn.flows import IssuedCredentials, drive, drive_async
from keyturn.web.application import AsyncIssuerLike, IssuerLike, web_config_of
from keyturn.web.asgi import path_of, split_path
from keyturn.web.asgi_messages import Scope
from keyturn.web.client_address import client_label, parse_networks
from keyturn.web.form_token import FormToken, form_token
from keyturn.web.limits import FLOW_SECONDS, flow_timeout
from keyturn.web.login_redirect import login_redirect
from keyturn.web.message import Reply, Request
from keyturn.web.paths import is_own_path
from keyturn.web.previous_cookies import find_previous_cookies
from keyturn.web.replies import login_cookies, logout_cookies
from keyturn.web.wsgi import deadline, environ_headers, wsgi_client_address

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


class _BasePages:
    """Common part of ``AsgiPages`` and ``WsgiPages``.

    ``login_page``, ``step_up_page``: paths below the prefix at which the application is served, if there is one;
    without the second the first takes both.
    Raises ``ConfigurationError`` for one that is not a path.
    """

    def __init__(self, issuer: IssuerLike, login_page: str = "/login", step_up_page: str = "") -> None:
        self._login_page, self._step_up_page = login_page, step_up_page or login_page
        for page in (self._login_page, self._step_up_page):
            if not is_own_path(page):
                raise ConfigurationError(f"a login page must be a path of this site, such as /login, not {page!r}")
        self._issuer = issuer
        self._config = web_config_of(issuer)

    def login_cookies(self, issued: IssuedCredentials) -> tuple[str, ...]:
        """Return the Set-Cookie values of a login that the application made by the issuer's methods.

        Send ``Cache-Control: no-store`` with them. Empty for ``deliver="tokens"``.
        """
        now, config = self._issuer.parts.present()
        return login_cookies(issued, now, config)

    def logout_cookies(self) -> tuple[str, ...]:
        """Return the Set-Cookie values that delete the login cookies. Revoke the session first."""
        return logout_cookies(self._issuer.config)

    def _redirect(self, request: Request, refusal: Refusal, root_path: str) -> Reply | None:
        return login_redirect(
            request, refusal, self._login_page, step_up_page=self._step_up_page, root_path=root_path.rstrip("/")
        )


class AsgiPages(_BasePages):
    """Support for the pages of an ASGI application. ``issuer``: an ``AsyncIssuer``. Otherwise as ``_BasePages``."""

    def __init__(self, issuer: AsyncIssuerLike, login_page: str = "/login", step_up_page: str = "") -> None:
        super().__init__(issuer, login_page, step_up_page)
        self._async_issuer = issuer

    async def form_token(self, scope: Scope) -> FormToken:
        """Return the CSRF token for the forms of the page that answers a request, and the cookies to send with it.

        Raises ``Unavailable`` (503) if a cookie of the request cannot be checked, ``HeadersTooLarge``.
        """
        request = Request("GET", path_of(scope), headers=scope["headers"])
        try:
            async with asyncio.timeout(FLOW_SECONDS):
                parts = self._async_issuer.current or await self._async_issuer.ready()
                now, config = parts.present()
                return await drive_async(form_token(request, now, self._config.at(config)), parts.ports)
        except TimeoutError:
            raise flow_timeout() from None

    def redirect(self, scope: Scope, refusal: Refusal) -> Reply | None:
        """Return the redirect to the login page if a browser asked for a page, else None: send the refusal then."""
        if scope["type"] != "http":
            return None
        root_path, below = split_path(scope)
        # Starlette counts its own mounts to the root path, and names that of the application beside it.
        prefix = scope.get("app_root_path", root_path).rstrip("/")
        path = (root_path + below).removeprefix(prefix)
        request = Request(scope["method"], path, scope["query_string"].decode("latin-1"), scope["headers"])
        return self._redirect(request, refusal, prefix)


class WsgiPages(_BasePages):
    """Support for the pages of a WSGI application. ``issuer``: an ``Issuer``. Otherwise as ``_BasePages``."""

    def form_token(self, environ: "WSGIEnvironment") -> FormToken:
        """Return what ``AsgiPages.form_token`` returns."""
        parts = self._issuer.parts
        now, config = parts.present()
        request = Request("GET", environ.get("PATH_INFO", ""), headers=list(environ_headers(environ)))
        flow = form_token(request, now, self._config.at(config))
        return drive(flow, parts.ports, deadline(time.monotonic() + FLOW_SECONDS))

    def client(self, environ: "WSGIEnvironment") -> ClientInfo:
        """Return the client of a request, for the list of sessions: ``client`` of ``open_session``."""
        headers = list(environ_headers(environ))
        trusted = parse_networks(split_list(self._issuer.settings.trusted_proxies))
        label = client_label([value for name, value in headers if name == b"user-agent"])
        return ClientInfo(label=label, address=wsgi_client_address(environ, headers, trusted))

    def previous_logins(self, environ: "WSGIEnvironment") -> list[str]:
        """Return the credentials that a login of this browser replaces: ``replaces`` of ``open_session``."""
        request = Request("GET", "", headers=list(environ_headers(environ)))
        return [each for each in find_previous_cookies(request, self._issuer.config).values() if each]

    def redirect(self, environ: "WSGIEnvironment", refusal: Refusal) -> Reply | None:
        """Return what ``AsgiPages.redirect`` returns."""
        path, root_path = (_decode(environ.get(name, "")) for name in ("PATH_INFO", "SCRIPT_NAME"))
        query = environ.get("QUERY_STRING", "")
        request = Request(environ["REQUEST_METHOD"], path, query, list(environ_headers(environ)))
        return self._redirect(request, refusal, root_path)


def _decode(text: str) -> str:
    # PEP 3333: the octets of a path are in a text as if they were Latin-1.
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
