"""Authorization server metadata (RFC 8414): URLs of an issuer's keys, feed and introspection."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from urllib.parse import urlsplit

import msgspec

from keyturn.clock import boottime
from keyturn.errors import ConfigurationError, Unavailable
from keyturn.verifier.fetch import Fetch, fetch, fetch_as, request, require_secure
from keyturn.verifier.threads import ForkSafeLock, start_thread

REFRESH_SECONDS = 300.0


class Metadata(msgspec.Struct, frozen=True):
    """Endpoints of one issuer; empty for an endpoint that its metadata lacks."""

    issuer: str
    jwks_uri: str
    introspection_endpoint: str = ""
    revocations_endpoint: str = msgspec.field(name="keyturn_revocations_endpoint", default="")


def metadata_url(issuer: str) -> str:
    """Return the metadata URL: the well-known part goes before the issuer's path (RFC 8414 section 3.1).

    Raises ``ConfigurationError`` for an issuer that is not https or has a query or fragment.
    """
    parts = urlsplit(require_secure(issuer))
    if parts.query or parts.fragment:
        raise ConfigurationError(f"issuer {issuer!r} has a query or a fragment (RFC 8414 section 2)")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}"


def check_metadata(metadata: Metadata, issuer: str) -> Metadata:
    """Check that the metadata names exactly ``issuer`` (RFC 8414 section 3.3) and only https URLs.

    Raises ``Unavailable``.
    """
    if metadata.issuer != issuer:
        raise Unavailable(
            f"the metadata names the issuer {metadata.issuer[:200]!r}, not {issuer!r}: "
            "configure the verifier with exactly that URL, or set KEYTURN_ISSUER of the issuer to its own address"
        )
    try:
        for url in (
            metadata.jwks_uri,
            metadata.introspection_endpoint or issuer,
            metadata.revocations_endpoint or issuer,
        ):
            require_secure(url)
    except ConfigurationError as error:
        raise Unavailable(f"metadata of {issuer!r}: {error}") from error
    return metadata


class Discovery:
    """Metadata of one issuer, refreshed every five minutes in a background thread and kept when a refresh fails.

    The first fetch blocks its caller, so calls must come from threads that may block.
    """

    def __init__(self, issuer: str, *, send: Fetch = fetch, monotonic: Callable[[], float] = boottime) -> None:
        self.issuer = issuer
        self._send = send
        self._monotonic = monotonic
        self._lock = ForkSafeLock()
        self._metadata: Metadata | None = None
        self._last_attempt_at = float("-inf")
        self._attempts = 0

    def metadata(self) -> Metadata:
        """Return the metadata, fetching it the first time. Raises ``Unavailable`` if that fetch fails."""
        metadata = self._metadata
        if metadata is None:
            return self._fetch_once(self._attempts)
        if self._monotonic() - self._last_attempt_at >= REFRESH_SECONDS:
            self._last_attempt_at = self._monotonic()
            with suppress(Unavailable):  # no thread could be started: retry in five minutes
                start_thread(Thread(target=self._refresh, name="keyturn-metadata", daemon=True))
        return metadata

    def endpoint(self, name: str) -> str:
        """Return the URL of one endpoint. Raises ``Unavailable`` if the metadata lacks it."""
        url: str = getattr(self.metadata(), name)
        if not url:
            raise Unavailable(f"the metadata of {self.issuer!r} names no {name}")
        return url

    def _fetch_once(self, attempts: int) -> Metadata:
        with self._lock:
            if self._metadata is None and self._attempts != attempts:
                # One attempt for all waiting callers: one attempt each would block the last caller for minutes.
                raise Unavailable(f"the metadata of {self.issuer!r} could not be fetched")
            if self._metadata is None:
                self._last_attempt_at = self._monotonic()
                try:
                    self._metadata = self._fetch()
                finally:
                    self._attempts += 1
            return self._metadata

    def _refresh(self) -> None:
        with suppress(Unavailable):
            self._metadata = self._fetch()

    def _fetch(self) -> Metadata:
        return check_metadata(fetch_as(Metadata, request(metadata_url(self.issuer)), self._send), self.issuer)
