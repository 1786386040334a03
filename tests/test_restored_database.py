"""An issuer on a database that was put back from a backup: it serves nothing older until its operator decides."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyturn import Issuer
from keyturn.core.log_mark import LogMark
from keyturn.core.revocation import Verdict
from keyturn.core.signed_mark import sign_mark
from keyturn.errors import StoreRestored, TokenInvalid, TokenRevoked
from keyturn.flows import IssuedCredentials, drive
from keyturn.flows.revocation_pages import check_mark, page_after
from keyturn.stores.log_follower import LogFollower
from keyturn.stores.sql.store import SqlStore

PASSWORD = "a bicycle made of rain"
ADA = "ada@example.com"


def open_issuer(folder: Path) -> Issuer:
    return Issuer.from_env(data_dir=str(folder), algorithm="ES256", background=False)


def follow(issuer: Issuer) -> LogFollower:
    """Read the log once, as the feed of a process does."""
    parts = issuer.parts
    follower = LogFollower(parts.sync_store.log, parts.session_cache, now=parts.now, save_mark=parts.mark_file.save)
    follower.poll_once(parts.monotonic())
    return follower


def log_in(issuer: Issuer) -> IssuedCredentials:
    return issuer.login(ADA, PASSWORD, deliver="both")


@dataclass
class Restored:
    """A data directory whose database was put back, and what was issued before."""

    folder: Path
    kept: IssuedCredentials
    ended: IssuedCredentials
    later: IssuedCredentials
    mark: LogMark


def put_back(folder: Path, backup: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        (folder / f"keyturn.db{ending}").unlink(missing_ok=True)
    shutil.copy(backup, folder / "keyturn.db")


@pytest.fixture
def restored(tmp_path: Path) -> Restored:
    folder, backup = tmp_path / "data", tmp_path / "backup.db"
    with open_issuer(folder) as issuer:
        issuer.signup(ADA, PASSWORD)
        kept, ended = log_in(issuer), log_in(issuer)
        source, target = sqlite3.connect(folder / "keyturn.db"), sqlite3.connect(backup)
        with closing(source), closing(target):
            source.backup(target)
        issuer.logout(ended.sid)
        later = log_in(issuer)
        mark = issuer.parts.sync_store.log.after(0, 10).end
        follow(issuer)
    put_back(folder, backup)
    return Restored(folder, kept, ended, later, mark)


@pytest.fixture
def issuer(restored: Restored) -> Iterator[Issuer]:
    with open_issuer(restored.folder) as issuer:
        yield issuer


def uses(issuer: Issuer, issued: IssuedCredentials) -> dict[str, Callable[[], object]]:
    session, access, refresh = (str(each) for each in (issued.session_token, issued.access_token, issued.refresh_token))
    return {
        "cookie": lambda: issuer.verify(session),
        "access token": lambda: issuer.verify(access),
        "refresh": lambda: issuer.refresh(refresh),
        "step up": lambda: issuer.step_up(issued.sid, PASSWORD),
        "password": lambda: issuer.change_password(issued.sid, PASSWORD, PASSWORD + " 2"),
        "introspect cookie": lambda: issuer.introspect(session),
        "introspect access token": lambda: issuer.introspect(access),
    }


USES = ("cookie", "access token", "refresh", "step up", "password", "introspect cookie", "introspect access token")


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("is_followed", [False, True])
def test_a_login_of_the_backup_is_suspended(issuer: Issuer, restored: Restored, use: str, is_followed: bool) -> None:
    if is_followed:
        follow(issuer)
    for issued in (restored.kept, restored.ended):
        with pytest.raises(StoreRestored) as refused:
            uses(issuer, issued)[use]()
        assert (refused.value.status, refused.value.retry_after_seconds) == (503, 30)


@pytest.mark.parametrize("use", USES)
def test_a_login_after_the_backup_is_suspended_while_the_feed_is_known(
    issuer: Issuer, restored: Restored, use: str
) -> None:
    follow(issuer)
    with pytest.raises(StoreRestored):
        uses(issuer, restored.later)[use]()


@pytest.mark.parametrize("is_followed", [False, True])
def test_a_new_login_works_while_older_ones_are_suspended(issuer: Issuer, is_followed: bool) -> None:
    if is_followed:
        follow(issuer)
    issued = log_in(issuer)
    for use in ("cookie", "access token", "introspect cookie", "introspect access token", "step up"):
        assert uses(issuer, issued)[use]()
    assert issuer.refresh(str(log_in(issuer).refresh_token)).access_token
    issuer.logout(issued.sid)
    with pytest.raises(TokenRevoked):
        issuer.verify(str(issued.session_token))


def test_the_feed_is_withheld_while_sessions_are_suspended(issuer: Issuer) -> None:
    with pytest.raises(StoreRestored):
        drive(page_after(0), issuer.parts.sync_ports)


def test_a_suspended_token_is_never_live_by_the_feed(issuer: Issuer, restored: Restored) -> None:
    cache, session = issuer.parts.session_cache, restored.kept.session
    follow(issuer)
    claims = (session.sid, session.subject, 0, "default", 2**40)
    assert cache.check(*claims) is Verdict.UNKNOWN
    issuer.parts.sync_store.resume_sessions()
    follow(issuer)
    assert cache.check(*claims) is Verdict.LIVE


def test_a_session_loaded_before_the_suspension_is_not_cached(issuer: Issuer, restored: Restored) -> None:
    store: SqlStore = issuer.parts.sync_store
    store.resume_sessions()
    loaded = store.sessions.load(restored.kept.sid)
    assert loaded is not None
    assert store.log.mark_restored(restored.mark.__class__(restored.mark.database, 2**61, 1, 1), issuer.parts.now())  # type: ignore[attr-defined]
    follow(issuer)
    issuer.parts.session_cache.put(loaded)
    assert issuer.parts.session_cache.get(restored.kept.sid) is None


def test_a_confirmed_restore_serves_the_backup_again(issuer: Issuer, restored: Restored) -> None:
    follower = follow(issuer)
    assert issuer.parts.sync_store.resume_sessions()
    assert not issuer.parts.sync_store.resume_sessions()
    follower.poll_once(issuer.parts.monotonic())
    assert issuer.verify(str(restored.kept.session_token)).sid == restored.kept.sid
    assert issuer.verify(str(restored.kept.access_token)).sid == restored.kept.sid
    assert drive(page_after(0), issuer.parts.sync_ports).complete
    with pytest.raises(TokenInvalid):
        issuer.verify(str(restored.later.session_token))


def test_revoke_all_ends_every_older_login(issuer: Issuer, restored: Restored) -> None:
    follower = follow(issuer)
    issuer.revoke_everything()
    issuer.parts.sync_store.resume_sessions()
    follower.poll_once(issuer.parts.monotonic())
    for issued in (restored.kept, restored.ended):
        with pytest.raises(TokenRevoked):
            issuer.verify(str(issued.session_token))
        with pytest.raises(TokenRevoked):
            issuer.verify(str(issued.access_token))


@pytest.mark.usefixtures("issuer")
def test_a_suspension_lasts_over_a_restart(restored: Restored, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    with open_issuer(restored.folder) as again, pytest.raises(StoreRestored):
        again.verify(str(restored.kept.session_token))
    assert "keyturn db confirm-restored" in caplog.text


def test_a_second_restore_of_the_same_backup_is_detected(restored: Restored, tmp_path: Path) -> None:
    with open_issuer(restored.folder) as issuer:
        issuer.parts.sync_store.resume_sessions()
        follow(issuer)
    put_back(restored.folder, tmp_path / "backup.db")
    with open_issuer(restored.folder) as issuer, pytest.raises(StoreRestored):
        issuer.verify(str(restored.kept.session_token))


def test_a_restored_log_that_has_grown_beyond_the_mark_is_detected(restored: Restored) -> None:
    files = list(restored.folder.glob("log-mark-*.json"))
    (content,) = (each.read_bytes() for each in files)
    files[0].unlink()
    with open_issuer(restored.folder) as issuer:
        for _ in range(3):
            issuer.logout(log_in(issuer).sid)
    files[0].write_bytes(content)
    with open_issuer(restored.folder) as issuer, pytest.raises(StoreRestored):
        issuer.verify(str(restored.kept.session_token))


def test_without_a_mark_a_position_of_a_reader_proves_the_restore(restored: Restored) -> None:
    next(restored.folder.glob("log-mark-*.json")).unlink()
    with open_issuer(restored.folder) as issuer:
        secrets, ports, now = issuer.parts.config.secrets, issuer.parts.sync_ports, issuer.parts.now()
        assert issuer.verify(str(restored.ended.session_token))
        position = drive(page_after(restored.mark.sequence), ports)
        for claim in ("", "1.2.3." + "0" * 32, sign_mark(restored.mark, secrets)[:-1] + "x"):
            drive(check_mark(position, claim, secrets, now), ports)
            assert issuer.verify(str(restored.ended.session_token)), "a claim without a MAC changes nothing"
        with pytest.raises(StoreRestored):
            drive(check_mark(position, sign_mark(restored.mark, secrets), secrets, now), ports)
        with pytest.raises(StoreRestored):
            issuer.verify(str(restored.ended.session_token))
        checked = drive(check_mark(position, sign_mark(restored.mark, secrets), secrets, now), ports)
        assert (checked.complete, checked.is_restored) == (False, True), "suspended once, not for each reader"


def test_an_unchanged_database_is_served_after_every_restart(tmp_path: Path) -> None:
    with open_issuer(tmp_path) as issuer:
        issuer.signup(ADA, PASSWORD)
        issued = log_in(issuer)
        for _ in range(3):
            issuer.logout(log_in(issuer).sid)
            follow(issuer)
    for _ in range(2):
        with open_issuer(tmp_path) as issuer:
            assert issuer.verify(str(issued.session_token)).sid == issued.sid
            follow(issuer)


def test_a_mark_of_an_earlier_entry_is_no_restore(tmp_path: Path) -> None:
    """A crash after the commit and before the mark is written leaves such a file."""
    with open_issuer(tmp_path) as issuer:
        issuer.signup(ADA, PASSWORD)
        issued = log_in(issuer)
        issuer.logout(log_in(issuer).sid)
        follow(issuer)
        for _ in range(3):
            issuer.logout(log_in(issuer).sid)
    with open_issuer(tmp_path) as issuer:
        assert issuer.verify(str(issued.session_token)).sid == issued.sid
