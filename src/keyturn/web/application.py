"""Common part of the ASGI and the WSGI application: configuration, time, refusals, and what observers are told."""

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from keyturn.config.settings import Settings, split_list
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant, Subject
from keyturn.errors import Overloaded, Refusal, Unavailable
from keyturn.flows.effects import Flow
from keyturn.ports import Ports
from keyturn.web.client_address import TrustedNetwork, parse_networks
from keyturn.web.config import DEFAULT_PREFIX, WebConfig, service_digest, web_config
from keyturn.web.cors import ENDPOINT_HEADERS, ENDPOINT_METHODS, preflight_reply, with_cors
from keyturn.web.limits import MAX_REQUESTS
from keyturn.web.message import Header, Reply, Request, without_body
from keyturn.web.mount import Mount, RouteTarget, warn_of_shared_cookies
from keyturn.web.problem import problem
from keyturn.web.route import Route
from keyturn.web.routes import ROUTES, find, handle

_logger = logging.getLogger("keyturn.web")


class IssuerParts(Protocol):
    """Components of an issuer. ``session_cache`` of the ports must be the cache that follows the revocation feed."""

    @property
    def config(self) -> IssuerConfig: ...
    @property
    def ports(self) -> Ports: ...
    @property
    def progress(self) -> Callable[[], float]: ...
    @property
    def load_user(self) -> Callable[[Subject], Any]: ...
    def present(self) -> tuple[Instant, IssuerConfig]: ...


class IssuerLike(Protocol):
    """An issuer in this process, such as ``Issuer``. ``current``: its components while it is open, else None."""

    @property
    def settings(self) -> Settings: ...
    @property
    def config(self) -> IssuerConfig: ...
    @property
    def current(self) -> IssuerParts | None: ...
    @property
    def parts(self) -> IssuerParts:
        """The components, which are opened if they are not. Blocks then."""
        ...


class AsyncIssuerLike(IssuerLike, Protocol):
    """An issuer with an event loop, such as ``AsyncIssuer``."""

    async def ready(self) -> IssuerParts:
        """Return the components. They are opened without blocking if they are not."""
        ...


class OpenableIssuer(AsyncIssuerLike, Protocol):
    """An issuer that is open within ``async with``, such as ``AsyncIssuer``."""

    async def __aenter__(self) -> object: ...
    async def __aexit__(self, *_: object) -> None: ...


class Exchange(NamedTuple):
    """One request that was answered.

    ``route``: the template of its path, or ``unmatched``: arbitrary paths of a caller would create unlimited time
    series.
    """

    method: str
    route: str
    reply: Reply
    seconds: float


class EndpointsApplication:
    """Common part of ``AsgiEndpoints`` and ``WsgiEndpoints``.

    ``observe``: called after each reply, for logs and metrics. It must not raise. ``prefix``: path of the endpoints.
    ``trusted_origins``: other origins whose pages may call, beside those of the settings.
    Raises ``ConfigurationError`` for settings that are no origin or no network, and for a prefix that is no path.
    """

    def __init__(
        self,
        issuer: IssuerLike,
        observe: Callable[[Exchange], None] | None = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        trusted_origins: tuple[str, ...] = (),
    ) -> None:
        self._config = web_config_of(issuer, trusted_origins)
        self._mount = Mount(self._config, prefix)
        warn_of_shared_cookies(self._mount)
        self._trusted: tuple[TrustedNetwork, ...] = parse_networks(split_list(issuer.settings.trusted_proxies))
        self._observe = observe

    @property
    def config(self) -> WebConfig:
        """Configuration of the endpoints, with the URLs of their mount."""
        return self._mount.config

    @property
    def paths(self) -> tuple[str, ...]:
        """Templates of the public paths, each once. The OpenAPI document of a server is not among them."""
        urls = [self._mount.config.route_url(route.path) for route in ROUTES if route.path != "/openapi.json"]
        return tuple(dict.fromkeys(urlsplit(url).path for url in urls))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Pattern that matches the public paths as a whole."""
        templates = [re.escape(path).replace(r"\{sid\}", "[^/]+") for path in self.paths]
        return re.compile(f"(?:{'|'.join(templates)})\\Z")

    def _target(self, root: str, path: str) -> RouteTarget:
        """Return the target of a request, as ``Mount.target``."""
        return self._mount.target(root, path)

    def _find(self, method: str, target: RouteTarget) -> Route | Refusal:
        """Return the route of a request, or the refusal of one that has none."""
        return find(method, target.path)

    def _handle(self, request: Request, now: Instant, config: WebConfig, found: Route | Refusal) -> Flow[Reply]:
        """Return the reply to a request. Raises no refusal."""
        return handle(request, now, config, found)

    def _present(self, parts: IssuerParts, target: RouteTarget) -> tuple[Instant, WebConfig]:
        now, config = parts.present()
        return now, target.config.at(config)

    def _preflight(self, method: str, headers: Sequence[Header]) -> Reply | None:
        """Return the reply to a preflight of a page of a trusted origin, else None."""
        return preflight_reply(method, headers, self._config.origins, ENDPOINT_METHODS, ENDPOINT_HEADERS)

    def _with_cors(self, reply: Reply, origin: Sequence[bytes]) -> Reply:
        return with_cors(reply, origin, self._config.origins)

    def _refuse(self, refusal: Refusal, method: str, target: RouteTarget) -> Reply:
        reply = problem(refusal, target.config.error_page, target.path)
        return without_body(reply) if method == "HEAD" else reply

    def _refuse_overload(self, method: str, target: RouteTarget) -> Reply:
        return self._refuse(Overloaded(f"more than {MAX_REQUESTS} requests at once"), method, target)

    def _refuse_unexpected(self, method: str, target: RouteTarget) -> Reply:
        """Log the present exception and build the reply to it, which never is a bare 500."""
        _logger.exception("unexpected error in a request of %s", target.path)
        return self._refuse(Unavailable("unexpected error; see the server's log"), method, target)

    def _record(self, method: str, found: Route | Refusal, reply: Reply, seconds: float) -> None:
        if self._observe is not None:
            self._observe(Exchange(method, "unmatched" if isinstance(found, Refusal) else found.path, reply, seconds))


def web_config_of(issuer: IssuerLike, trusted_origins: tuple[str, ...] = ()) -> WebConfig:
    """Build the web configuration from the settings of an issuer. ``trusted_origins``: others, beside those."""
    settings = issuer.settings
    return web_config(
        issuer.config,
        trusted_origins=(*split_list(settings.trusted_origins), *trusted_origins),
        service_digests=[service_digest(each) for each in split_list(settings.service_token)],
        open_feed=settings.environment == "development",
    )
