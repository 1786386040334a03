"""Pages of the revocation log, as resource servers read it over HTTP."""

from dataclasses import replace

from keyturn.core.feed import LogCursor
from keyturn.core.revocation import RevocationPage
from keyturn.core.sealed import Secrets
from keyturn.core.signed_mark import verify_mark
from keyturn.core.types import Instant
from keyturn.errors import StoreRestored
from keyturn.flows.effects import Flow, call
from keyturn.ports import RevocationLog, Signer

PAGE_LIMIT = 1000
"""Maximum number of entries in a page."""


def page_after(after: int, limit: int = PAGE_LIMIT) -> Flow[RevocationPage]:
    """Return a page of entries after a sequence number.

    If ``complete`` is False, entries before the page were purged: the reader must take a snapshot.
    """
    return (yield from _read(after, limit))


def snapshot_page(after: int, limit: int = PAGE_LIMIT) -> Flow[RevocationPage]:
    """Return a page of a snapshot: the entries after a sequence number, 0 for the first page.

    Unlike in ``page_after``, purged entries do not make the page incomplete.
    A page shorter than ``limit`` is the last one and reaches the end of the log. If ``complete`` is False, the log was
    replaced by another one in between: start the snapshot again.
    """
    page = yield from _read(after, limit)
    if len(page.entries) == limit:
        return replace(page, complete=True)
    cursor = LogCursor(page.log_id, after)
    end_sequence = yield from call(RevocationLog.sequence)
    # If both pages are of one log, so is ``end_sequence``, and the second page has every entry up to that number.
    second_page = yield from _read(after, limit)
    if len(second_page.entries) < limit and second_page.sequence < end_sequence:
        # The last entries were purged: a page after them names the log's mark there.
        tail = yield from _read(end_sequence, 1)
        is_one_log = cursor.is_in(second_page.log_id) and cursor.is_in(tail.log_id)
        return replace(second_page, sequence=end_sequence, end=tail.start, complete=is_one_log)
    return replace(second_page, complete=cursor.is_in(second_page.log_id))


def head_page() -> Flow[RevocationPage]:
    """Return an empty page at the end of the log, with the log's id and its last sequence number."""
    return (yield from _read((yield from call(RevocationLog.sequence)), PAGE_LIMIT))


def check_mark(page: RevocationPage, mark: str, secrets: Secrets, now: Instant) -> Flow[RevocationPage]:
    """Compare a page with the signed ``mark`` of its reader, empty without one.

    If the log has lost the reader's last entry, the database was restored: its sessions are suspended.
    Raises ``StoreRestored`` then. The page is incomplete if another process did that, or if the mark cannot be
    verified: the reader must take a snapshot.
    """
    if not mark or page.start is None:
        return page
    known = verify_mark(mark, page.start.sequence, secrets)
    if known is None:
        return replace(page, complete=False)
    if known.is_contradicted_by(page.start):
        if (yield from call(RevocationLog.mark_restored, known, now)):
            raise StoreRestored("a reader of the feed has an entry that the log lacks")
        return replace(page, complete=False, is_restored=True)
    return page


def _read(after: int, limit: int) -> Flow[RevocationPage]:
    page = yield from call(RevocationLog.after, after, limit)
    if page.suspended_before:
        # Verifiers then ask about each token, which tells suspended sessions from new ones.
        raise StoreRestored("the revocation feed is withheld until an operator decides on the restored database")
    return page


def published_keys(now: Instant) -> Flow[dict[str, object]]:
    """Return the public keys as a JSON Web Key Set (RFC 7517)."""
    return (yield from call(Signer.jwks, now))
