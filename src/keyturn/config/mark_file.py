"""Mark of the revocation log in a file beside the database, outside its backup (P11).

A database that was put back from a backup lacks the entry that the file names.
"""

import logging
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from keyturn.core.log_mark import ABSENT, LogMark
from keyturn.core.types import Instant
from keyturn.ports import RevocationLog
from keyturn.stores.log_follower import RESTORED_MESSAGE

SAVE_EVERY_SECONDS = 0.05

_logger = logging.getLogger("keyturn.feed")


class MarkFile:
    """Files ``log-mark-<database>.json`` in ``folder``, which must exist; one for each database used from here.

    The processes of a server share the file. ``monotonic``: seconds.
    """

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._saved: LogMark | None = None
        self._saved_at = float("-inf")
        self._is_failing = False

    def load(self, database: int) -> LogMark | None:
        """Return the mark of ``database``, or None if there is none that can be read."""
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(self._path(database).read_bytes(), type=LogMark)
        return None

    def save(self, mark: LogMark) -> None:
        """Save ``mark`` unless the file has a later one, at most every 0.05 seconds. Never raises.

        The entry of ``mark`` must be durable in the database, so that a crash does not look like a restore.
        """
        now = self._monotonic()
        if mark == self._saved or now - self._saved_at < SAVE_EVERY_SECONDS or mark.tag in (None, ABSENT):
            return
        self._saved_at = now
        try:
            self._write(mark)
        except OSError as error:
            if not self._is_failing:
                _logger.warning(
                    "no mark of the revocation log can be kept in %s (%s): a database put back from a backup is "
                    "detected only by readers of the feed",
                    self._folder,
                    error.strerror,
                )
            self._is_failing = True
        else:
            self._saved, self._is_failing = mark, False

    def _write(self, mark: LogMark) -> None:
        known = self.load(mark.database)
        if known is not None and (known.log, known.sequence) >= (mark.log, mark.sequence):
            return
        path = self._path(mark.database)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(mark))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _path(self, database: int) -> Path:
        return self._folder / f"log-mark-{database:x}.json"


def check_restored(log: RevocationLog, mark_file: MarkFile, now: Instant) -> None:
    """Suspend the sessions of a database that lacks the entry of its mark. ``log``: the sync log in that database.

    Also reports a suspension that an operator has not ended yet. Raises ``StoreUnavailable``.
    """
    page = log.after(0, 1)
    known = None if page.start is None else mark_file.load(page.start.database)
    is_restored = known is not None and log.mark_restored(known, now)
    if is_restored or page.suspended_before:
        _logger.error(RESTORED_MESSAGE)
