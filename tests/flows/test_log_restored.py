"""Pages of a log that was put back from a backup: the reader is sent to a snapshot, whatever the log has grown to."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keyturn.core.revocation import Revocation, RevocationKind, RevocationPage
from keyturn.core.sealed import Secrets
from keyturn.core.signed_mark import sign_mark
from keyturn.core.types import Instant
from keyturn.errors import StoreRestored
from keyturn.flows import Flow, drive
from keyturn.flows.revocation_pages import check_mark, page_after, snapshot_page
from keyturn.ports import Ports
from keyturn.stores.memory import MemoryStore
from keyturn.stores.sql.store import SqlStore
from keyturn.testing.contract.records import LATER, NOW

SECRETS = Secrets(b"a" * 32)
OTHER = Secrets(b"b" * 32)


def run(flow: Flow[RevocationPage], store: Any) -> RevocationPage:
    return drive(flow, cast(Ports, SimpleNamespace(log=store.log)))


def check(store: Any, page: RevocationPage, mark: str) -> RevocationPage:
    return run(check_mark(page, mark, SECRETS, NOW), store)


def append(store: Any, client_id: str, expires_at: Instant = LATER) -> Revocation:
    entry: Revocation = store.sessions.raise_not_before(
        Revocation(RevocationKind.CLIENT, client_id, NOW, NOW, expires_at)
    )
    return entry


def forget_entries_after(store: SqlStore, sequence: int) -> None:
    """Put the log back to an earlier state, as a restored backup would."""
    with store.engine.connect() as connection:
        connection.exec_driver_sql(f"DELETE FROM revocations WHERE sequence > {sequence}")
        connection.exec_driver_sql(f"UPDATE counters SET value = {sequence} WHERE name = 'appended'")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/keyturn.db")
    yield store
    store.close()


def test_a_log_that_has_grown_again_is_detected_by_the_mark(store: SqlStore) -> None:
    append(store, "kept")
    append(store, "lost")
    mark = sign_mark(run(page_after(0), store).end, SECRETS)
    assert check(store, run(page_after(2), store), mark).complete
    forget_entries_after(store, 1)
    append(store, "new")
    page = run(page_after(2), store)
    assert page.complete
    with pytest.raises(StoreRestored):
        check(store, page, mark)
    assert check(store, page, mark).is_restored, "suspended once: another reader only takes a snapshot"


def test_a_log_that_ends_before_the_reader_is_detected_by_the_mark(store: SqlStore) -> None:
    append(store, "lost")
    mark = sign_mark(run(page_after(0), store).end, SECRETS)
    forget_entries_after(store, 0)
    with pytest.raises(StoreRestored):
        check(store, run(page_after(1), store), mark)


def test_a_purged_entry_is_no_lost_one(store: SqlStore) -> None:
    for name in ("a", "b", "c"):
        append(store, name, NOW)
    marks = [sign_mark(run(page_after(each - 1, 1), store).end, SECRETS) for each in (1, 2, 3)]
    store.sessions.purge(NOW)
    pages = [check(store, run(page_after(each), store), marks[each - 1]) for each in (1, 2, 3)]
    assert [(page.complete, page.is_restored) for page in pages] == [(False, False), (False, False), (True, False)]


def test_a_purge_by_an_older_version_is_no_restore(store: SqlStore) -> None:
    append(store, "a", NOW)
    mark = sign_mark(run(page_after(0), store).end, SECRETS)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM revocations")
        connection.exec_driver_sql("UPDATE counters SET value = 1 WHERE name = 'purged'")
    assert check(store, run(page_after(1), store), mark).complete


def test_a_mark_that_no_accepted_secret_signed_leads_to_a_snapshot(store: SqlStore) -> None:
    append(store, "kept")
    mark = sign_mark(run(page_after(0), store).end, OTHER)
    checked = check(store, run(page_after(1), store), mark)
    assert (checked.complete, checked.is_restored) == (False, False)


def test_a_reader_without_a_mark_is_served(store: SqlStore) -> None:
    append(store, "kept")
    assert check(store, run(page_after(1), store), "").complete


def test_a_store_without_marks_ignores_them() -> None:
    store = MemoryStore()
    assert check(store, run(page_after(0), store), "1.2.3." + "0" * 32).complete


def test_a_snapshot_names_the_mark_of_its_end_even_if_that_entry_was_purged(store: SqlStore) -> None:
    append(store, "kept")
    append(store, "over", NOW)
    end = run(page_after(1), store).end
    store.sessions.purge(NOW)
    pages = run(snapshot_page(0), store), store.log.snapshot()
    assert [(page.sequence, page.end) for page in pages] == [(2, end), (2, end)]


def test_a_snapshot_of_a_log_in_use_names_the_mark_of_its_last_entry(store: SqlStore) -> None:
    assert run(snapshot_page(0), store).end == store.log.snapshot().end
    append(store, "a")
    assert run(snapshot_page(0), store).end == store.log.snapshot().end == run(page_after(0), store).end
