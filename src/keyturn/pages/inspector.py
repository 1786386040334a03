"""Inspector of tokens: a page that decodes in the browser, and whose policy makes sending impossible."""

from typing import Final

import msgspec

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow
from keyturn.flows.revocation_pages import published_keys
from keyturn.pages.renderer import Renderer, html_reply
from keyturn.web.config import WebConfig
from keyturn.web.message import Reply, Request

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'none'; connect-src 'none'; "
    b"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing that is pasted can leave the page: no request, no form, no picture, and no script of anybody else."""


class InspectorPage:
    """Page that explains a pasted token or cookie. It needs no login: the page asks the server nothing."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def get_inspector(self, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
        """Show the inspector, with the public keys and the checks of this issuer."""
        keys = yield from published_keys(now)
        checks = {"issuer": config.issuer_config.issuer, "audience": config.issuer_config.audience, "now": now}
        facts = msgspec.json.encode({**checks, **keys}).decode()
        language = self._renderer.language(request)
        return html_reply(200, self._renderer.render("inspect.html", language, facts=facts), policy=POLICY)
