"""Feed: the revocation log as a resource server reads it over HTTP."""

from typing import cast

from keyturn.core.instant import Instant
from keyturn.core.revocation import Page
from keyturn.flows.step import Flow, ask

PAGE_LIMIT = 1000
"""Entries in one page."""


def feed_page(after: int | None, limit: int = PAGE_LIMIT) -> Flow[Page]:
    """Entries after a sequence number, or a snapshot for ``None``. A page that is not ``complete`` has a gap before
    it: the reader must take a snapshot."""
    if after is None:
        return cast(Page, (yield from ask("log", "snapshot")))
    return cast(Page, (yield from ask("log", "after", after, limit)))


def published_keys(now: Instant) -> Flow[dict[str, object]]:
    """The public key set (RFC 7517)."""
    return cast("dict[str, object]", (yield from ask("signer", "jwks", now)))
