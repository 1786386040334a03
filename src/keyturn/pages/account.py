"""Pages of an account: its devices, its password, and the confirmation of who is there."""

from typing import Final

from keyturn.core.principal import Principal
from keyturn.core.types import Instant, SessionId
from keyturn.errors import StepUpRequired
from keyturn.flows.effects import Flow
from keyturn.flows.logout_others import revoke_other_sessions
from keyturn.flows.revoke import revoke_session
from keyturn.flows.sessions import list_sessions
from keyturn.pages.devices import list_devices
from keyturn.pages.entry import read_page_query
from keyturn.pages.renderer import Renderer
from keyturn.web.config import WebConfig
from keyturn.web.guard import Caller, authenticate
from keyturn.web.message import Reply, Request
from keyturn.web.replies import revoked_reply

RECENT_SECONDS: Final = 15 * 60
"""Age of an authentication from which a page asks for the password again before it ends other devices."""


class AccountPages:
    """Pages of the account that is logged in. An anonymous request is sent to the login page."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def get_devices(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """List the devices of the account."""
        principal = (yield from authenticate(request, now, config)).principal
        sessions = yield from list_sessions(principal.subject, now, config.issuer_config)
        devices = list_devices(sessions, principal)
        return (yield from self._page(request, now, config, "devices.html", principal, devices=devices))

    def post_device(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """End one device of the account."""
        caller = yield from authenticate(request, now, config)
        sid = SessionId(request.path.rpartition("/")[2])
        if sid != caller.principal.sid:
            _require_recent(caller, now)
        owner = caller.principal.subject
        revoked = yield from revoke_session(sid, "ended by its owner", now, config.issuer_config, owner=owner)
        clear = sid == caller.principal.sid and caller.credential.cookie
        return revoked_reply(revoked, config.issuer_config, clear=clear)

    def post_others(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """End every other device of the account."""
        caller = yield from authenticate(request, now, config)
        _require_recent(caller, now)
        revoked = yield from revoke_other_sessions(caller.principal.sid, now, config.issuer_config)
        return revoked_reply(revoked, config.issuer_config, clear=False)

    def get_password(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """Show the form of a new password."""
        return self._form(request, now, config, "password.html")

    def get_confirm(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """Ask for the password of the account that is logged in."""
        return self._form(request, now, config, "confirm.html")

    def _form(self, request: Request, now: Instant, config: WebConfig, template: str) -> Flow[Reply]:
        principal = (yield from authenticate(request, now, config)).principal
        return (yield from self._page(request, now, config, template, principal))

    def _page(
        self, request: Request, now: Instant, config: WebConfig, template: str, user: Principal, **values: object
    ) -> Flow[Reply]:
        shown = {"user": user, "query": read_page_query(request)}
        return self._renderer.page(request, now, config, template, **shown | values)


def _require_recent(caller: Caller, now: Instant) -> None:
    """Raise ``StepUpRequired`` after a login that is too long ago for what a thief of the cookie would do first."""
    if now - caller.principal.auth_time > RECENT_SECONDS:
        raise StepUpRequired("the page asks for the password before it ends other devices")
