"""ASGI application of the pages, in front of the endpoints."""

from collections.abc import Callable
from functools import partial
from typing import Final

from keyturn import errors
from keyturn.core.types import Instant
from keyturn.errors import Refusal
from keyturn.flows.effects import Flow
from keyturn.pages.account import AccountPages
from keyturn.pages.assets import ASSET_PATHS, get_asset
from keyturn.pages.entry import EntryPages
from keyturn.pages.failures import refusal_page
from keyturn.pages.inspector import InspectorPage
from keyturn.pages.renderer import Renderer
from keyturn.web.application import Exchange, OpenableIssuer
from keyturn.web.asgi import AsgiEndpoints, split_path
from keyturn.web.asgi_messages import AsgiApp, Receive, Scope, Send
from keyturn.web.config import WebConfig
from keyturn.web.forms import call_endpoint
from keyturn.web.message import Reply, Request, without_body
from keyturn.web.mount import RouteTarget
from keyturn.web.refusal_groups import ALWAYS, READ, WRITE
from keyturn.web.route import Route
from keyturn.web.route_table import RouteTable
from keyturn.web.schemas import PageForm

_AGAIN: Final = (errors.StepUpRequired, errors.NotFound)


def page_routes(renderer: Renderer) -> RouteTable:
    """Return the routes of all pages."""
    entry, account, inspector = EntryPages(renderer), AccountPages(renderer), InspectorPage(renderer)
    page = partial(Route, "GET", answer="html")
    form = partial(Route, "POST", status=303, answer="redirect", form=PageForm)
    return RouteTable(
        (
            page("/", entry.get_home, ALWAYS),
            page("/login", entry.get_login, ALWAYS),
            page("/signup", entry.get_signup, ALWAYS),
            page("/inspect", inspector.get_inspector, ALWAYS),
            page("/account/devices", account.get_devices, READ, schemes=("session", "access")),
            form("/account/devices/{sid}", account.post_device, (*WRITE, *_AGAIN), schemes=("session", "access")),
            form("/account/others", account.post_others, (*WRITE, *_AGAIN), schemes=("session", "access")),
            page("/account/password", account.get_password, READ, schemes=("session", "access")),
            page("/account/confirm", account.get_confirm, READ, schemes=("session", "access")),
            *(Route("GET", path, get_asset, ALWAYS) for path in ASSET_PATHS),
        )
    )


class PagesApplication(AsgiEndpoints):
    """ASGI application that serves the pages, and passes every other request to ``app``.

    ``issuer``: an ``AsyncIssuer``, whose settings describe the look. ``observe``: called after each reply of a page.
    Raises ``ConfigurationError`` for a folder of the settings that is none, or texts in it that are no catalogue.
    """

    def __init__(self, app: AsgiApp, issuer: OpenableIssuer, observe: Callable[[Exchange], None] | None = None) -> None:
        super().__init__(issuer, observe)
        self._app = app
        self._renderer = Renderer(issuer.settings.pages_product, issuer.settings.pages_folder)
        self._table = page_routes(self._renderer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request of a page."""
        if scope["type"] == "http" and self._table.has_path(self._target(*split_path(scope)).path):
            await super().__call__(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _target(self, root: str, path: str) -> RouteTarget:
        below = path.removeprefix(self._config.issuer_path)
        return RouteTarget(below, self._mount.config)

    def _find(self, method: str, target: RouteTarget) -> Route | Refusal:
        return self._table.find(method, target.path)

    def _handle(self, request: Request, now: Instant, config: WebConfig, found: Route | Refusal) -> Flow[Reply]:
        try:
            if isinstance(found, Refusal):
                raise found
            reply = yield from call_endpoint(found, request, now, config)
        except Refusal as refusal:
            reply = refusal_page(self._renderer, request, now, refusal)
        return without_body(reply) if request.method == "HEAD" else reply

    def _refuse(self, refusal: Refusal, method: str, target: RouteTarget) -> Reply:
        now, _ = self._issuer.parts.present()
        return refusal_page(self._renderer, Request(method, target.path), now, refusal)
