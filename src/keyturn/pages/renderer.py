"""Rendering of pages: templates, texts, and the headers that keep a page to itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from keyturn.core.types import Instant
from keyturn.errors import ConfigurationError, Refusal
from keyturn.flows.effects import Flow
from keyturn.pages.assets import asset_url
from keyturn.pages.devices import describe_time
from keyturn.pages.texts import Catalogue, Language
from keyturn.web.config import WebConfig
from keyturn.web.form_token import form_token
from keyturn.web.message import Header, Reply, Request

_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    # No text becomes markup or script: the pages use textContent and <template> only (W3C Trusted Types).
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Renderer:
    """Templates with autoescape, and one catalogue of texts.

    ``product``: name in the titles. ``folder``: templates and texts that replace those of the same name.
    Raises ``ConfigurationError`` for a folder that does not exist, or texts that are no catalogue.
    """

    def __init__(self, product: str, folder: str = "") -> None:
        if folder and not Path(folder).is_dir():
            raise ConfigurationError(f"pages_folder must be a folder with templates or texts, not {folder!r}")
        loaders: list[Any] = [FileSystemLoader(folder)] if folder else []
        self._environment = Environment(
            loader=ChoiceLoader([*loaders, PackageLoader("keyturn.pages")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # Jinja2 types its globals as the ones it starts with.
        names: dict[str, Any] = cast("dict[str, Any]", self._environment.globals)
        names.update(product=product, asset=asset_url, moment=describe_time)
        self._catalogue = Catalogue(Path(folder) if folder else None)

    def language(self, request: Request) -> Language:
        """Return the language of a request."""
        return self._catalogue.choose(b",".join(request.values(b"accept-language")).decode("latin-1"))

    def render(self, template: str, language: Language, **values: object) -> bytes:
        """Return a page."""
        shown: dict[str, object] = {"t": language.text, "texts": language.texts, "lang": language.tag}
        shown |= {"direction": language.direction, "user": None, "place": ""}
        return self._environment.get_template(template).render(**shown | values).encode()

    def page(self, request: Request, now: Instant, config: WebConfig, template: str, **values: Any) -> Flow[Reply]:
        """Return a page with the token for its forms."""
        token, cookies = yield from form_token(request, now, config)
        language = self.language(request)
        seconds = config.issuer_config.profile.token.staleness_seconds
        minimum = config.issuer_config.profile.password.minimum
        shown = {"csrf_token": token.reveal(), "now": now, "seconds": seconds, "minimum": minimum}
        body = self.render(template, language, **shown | values)
        return html_reply(200, body, tuple((b"set-cookie", each.encode()) for each in cookies))


def html_reply(
    status: int,
    body: bytes,
    headers: tuple[Header, ...] = (),
    *,
    refusal: Refusal | None = None,
    policy: bytes = _POLICY,
) -> Reply:
    """Return a page as a reply, with the headers of every page. ``policy``: its content security policy."""
    sent = ((b"content-security-policy", policy), *_HEADERS, *headers)
    return replace(Reply.html(body, sent, status=status), refusal=refusal)
