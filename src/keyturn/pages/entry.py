"""Pages before a login: the start page, login and sign-up. Their forms go to ``/auth/login`` and ``/auth/signup``."""

from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from keyturn.core.types import Instant
from keyturn.errors import CrossOrigin
from keyturn.flows.effects import Flow
from keyturn.pages.renderer import Renderer
from keyturn.web.config import WebConfig
from keyturn.web.guard import Caller, authenticate_optional
from keyturn.web.message import Reply, Request
from keyturn.web.paths import own_path

AFTER_LOGIN: Final = "/account/devices"
"""Page after a login that no other page asked for."""


class PageQuery(NamedTuple):
    """Parameters of a page. ``error``, ``retry_after``: of a form that led back here. ``done``: of one that succeeded.

    ``next``: page to go to after this one, always a path of this site.
    """

    next: str
    error: str = ""
    retry_after: str = ""
    done: str = ""


def read_page_query(request: Request) -> PageQuery:
    """Return the parameters of a query. Of a repeated one, the last counts."""
    found = dict(parse_qsl(request.query[:4096]))
    known = {name: found[name] for name in ("error", "retry_after", "done") if name in found}
    return PageQuery(own_path(found.get("next", ""), AFTER_LOGIN), **known)


class EntryPages:
    """Start page, login and sign-up."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def get_home(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """Say what this server is, and where to sign in."""
        caller = yield from visitor(request, now, config)
        user = None if caller is None else caller.principal
        return (yield from self._renderer.page(request, now, config, "home.html", user=user))

    def get_login(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """Show the login form."""
        return self._form(request, now, config, "login.html")

    def get_signup(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """Show the form of a new account."""
        return self._form(request, now, config, "signup.html")

    def _form(self, request: Request, now: Instant, config: WebConfig, template: str) -> Flow[Reply]:
        query = read_page_query(request)
        if (yield from visitor(request, now, config)) is not None:
            return Reply.redirect(query.next)
        return (yield from self._renderer.page(request, now, config, template, query=query))


def visitor(request: Request, now: Instant, config: WebConfig) -> Flow[Caller | None]:
    """Return the caller of a page; None for an anonymous one. A link from another site is followed like any other."""
    try:
        return (yield from authenticate_optional(request, now, config))
    except CrossOrigin:
        return None
