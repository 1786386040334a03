"""Paths of the endpoints below a prefix.

The table of routes names every endpoint below ``/auth``. An application serves them below its own prefix, with the
documents for people and tools beside them. The well-known documents stay at the root of the host (RFC 8615).
"""

import logging
from typing import NamedTuple
from weakref import WeakSet

from keyturn.core.issuer_config import is_plain_path
from keyturn.errors import ConfigurationError
from keyturn.web.config import DEFAULT_PREFIX, DOCUMENTS, JWKS, WELL_KNOWN, WebConfig

_logger = logging.getLogger("keyturn.web")
_mounts: "WeakSet[Mount]" = WeakSet()


class RouteTarget(NamedTuple):
    """Where a request goes. ``path``: in the table of routes; empty if it is of no endpoint."""

    path: str
    config: WebConfig


class Mount:
    """Endpoints of one issuer below one prefix. Raises ``ConfigurationError`` for a prefix that is no path."""

    def __init__(self, config: WebConfig, prefix: str = DEFAULT_PREFIX) -> None:
        if not is_plain_path(prefix) or prefix.startswith(WELL_KNOWN):
            raise ConfigurationError(
                f"prefix must be a path such as /auth or /accounts/auth, without a slash at its end, not {prefix!r}"
            )
        self.prefix = prefix
        # At the root of its host, the default mount has its documents there, too.
        self.config = config.under(prefix, "" if prefix == DEFAULT_PREFIX else prefix)
        self._config_at_prefix = config.under(prefix, prefix)

    def target(self, root: str, path: str) -> RouteTarget:
        """Return the target of a request.

        ``root``: path that the application is mounted at: ``root_path`` of ASGI, ``SCRIPT_NAME`` of WSGI. It may end
        with the prefix. ``path``: what follows. Nothing is decoded or normalized: each endpoint has one spelling.
        """
        is_at_prefix = self.prefix != "" and root.endswith(self.prefix) and root != self.config.issuer_path
        found = self._below(root, path, is_at_prefix)
        return RouteTarget(found, self._config_at_prefix if is_at_prefix else self.config)

    def shares_cookies(self, other: "Mount") -> bool:
        """Return True if ``other`` is of another issuer of the same host and cookie names."""
        own, its = self.config, other.config
        if own.issuer_config is its.issuer_config or own.own_origin != its.own_origin:
            return False
        # The same URL and prefix: an issuer that was made again, as in tests.
        if (own.issuer_config.issuer, self.prefix) == (its.issuer_config.issuer, other.prefix):
            return False
        return own.issuer_config.profile.cookie.name("session") == its.issuer_config.profile.cookie.name("session")

    def _below(self, root: str, path: str, is_at_prefix: bool) -> str:
        place = root.rfind(WELL_KNOWN)
        if place >= 0:  # mounted at the well-known documents
            return self._metadata_path((root + path)[place:])
        if is_at_prefix:
            return _route_path(path)
        if root or not self.config.issuer_path:
            return self._below_issuer(path)
        if path.startswith(WELL_KNOWN + "/"):
            return self._metadata_path(path)
        below = path.removeprefix(self.config.issuer_path + "/")
        return "" if below == path else self._below_issuer("/" + below)

    def _below_issuer(self, path: str) -> str:
        if path.startswith(self.prefix + "/") and not path.startswith(WELL_KNOWN + "/"):
            return _route_path(path[len(self.prefix) :])
        is_beside = path in DOCUMENTS and self.prefix == DEFAULT_PREFIX
        return path if is_beside or path.startswith(WELL_KNOWN + "/") else ""

    def _metadata_path(self, path: str) -> str:
        # RFC 8414 section 3.1: at the root of a host, the path of the issuer's URL follows.
        own = self.config.issuer_path
        return path.removesuffix(own) if path.endswith(own) else ""


def warn_of_shared_cookies(mount: Mount) -> None:
    """Log a warning if another issuer of this process sets cookies of the same names on the same host.

    Cookies have ``Path=/`` (``__Host-``, RFC 6265bis section 4.1.3.2): a login at one issuer would replace the cookies
    of the other one, whatever their prefixes.
    """
    if any(mount.shares_cookies(other) for other in tuple(_mounts)):
        _logger.warning(
            "two issuers on one host set the same cookies, so a login at one ends the login at the other (%s); "
            "give each another cookie_prefix",
            mount.config.issuer_config.issuer,
        )
    _mounts.add(mount)


def _route_path(path: str) -> str:
    if WELL_KNOWN + path == JWKS:
        return JWKS
    return path if path in DOCUMENTS else DEFAULT_PREFIX + path
