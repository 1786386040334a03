"""Feed: the revocation log as a resource server reads it over HTTP."""

from dataclasses import replace
from typing import cast

from keyturn.core.revocation import RevocationPage
from keyturn.core.types import Instant
from keyturn.flows.effects import Flow, call, log_sequence

PAGE_LIMIT = 1000
"""Entries in one page."""


def page_after(after: int, limit: int = PAGE_LIMIT) -> Flow[RevocationPage]:
    """Entries after a sequence number. A page that is not ``complete`` has a gap before it: the reader must take a
    snapshot."""
    return cast(RevocationPage, (yield from call("log", "after", after, limit)))


def snapshot_page(after: int, limit: int = PAGE_LIMIT) -> Flow[RevocationPage]:
    """A page of a snapshot: what is held after a sequence number, 0 to begin. What was purged in between stops nothing.

    The last page, shorter than ``limit``, is complete up to the end of the log. ``complete`` is false when the log
    turned into another one meanwhile: begin again.
    """
    page = cast(RevocationPage, (yield from call("log", "after", after, limit)))
    if len(page.entries) == limit:
        return replace(page, complete=True)
    end = yield from log_sequence()
    # Between two pages of one log the number belongs to that log, and the second page has all up to it.
    last = cast(RevocationPage, (yield from call("log", "after", after, limit)))
    sequence = last.sequence if len(last.entries) == limit else max(end, last.sequence)
    return replace(last, sequence=sequence, complete=page.log_id == last.log_id)


def head_page() -> Flow[RevocationPage]:
    """A page from the end of the log: which log it is, and how far it goes."""
    return cast(RevocationPage, (yield from call("log", "after", (yield from log_sequence()), PAGE_LIMIT)))


def published_keys(now: Instant) -> Flow[dict[str, object]]:
    """The public key set (RFC 7517)."""
    return cast("dict[str, object]", (yield from call("signer", "jwks", now)))
