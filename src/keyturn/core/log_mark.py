"""Marks of the revocation log, by which a log that was put back from a backup is detected.

Every entry has a random tag. A log put back from a backup ends before a known entry, or it has another entry with the
same sequence number: whoever holds a mark of that entry can prove that entries were lost.
"""

from dataclasses import dataclass
from typing import Final

ABSENT: Final = -1
"""Tag of a sequence number that the log has not reached."""


@dataclass(frozen=True, slots=True)
class LogMark:
    """Position in a revocation log, with the tag of the entry there.

    ``database``: id of the database; it never changes. ``log``: id of the log, which grows with every new identity.
    ``tag``: 0 before the first entry and for entries of older versions, ``ABSENT`` beyond the last entry, None for an
    entry that was purged.
    """

    database: int
    log: int
    sequence: int
    tag: int | None

    def is_contradicted_by(self, found: "LogMark") -> bool:
        """Return True if the log has lost this entry. ``found``: the log's own mark at the same sequence number."""
        if self.database != found.database:
            return False
        if self.log != found.log:
            # A greater id was given after a restore that is known. A smaller one comes from an even older backup.
            return self.log > found.log
        return None not in (self.tag, found.tag) and self.tag != found.tag
