"""The reference store: everything in this process, under one lock, gone when it ends.

For tests, examples and trying things out. What every other store must do, this one does in the plainest way.
"""

from keyturn.stores.memory.accounts import MemoryAccounts
from keyturn.stores.memory.records import MemoryAudit, MemoryKeys, MemoryThrottles
from keyturn.stores.memory.sessions import MemoryLog, MemorySessions
from keyturn.stores.memory.state import MemoryState

__all__ = [
    "MemoryAccounts",
    "MemoryAudit",
    "MemoryKeys",
    "MemoryLog",
    "MemorySessions",
    "MemoryStore",
    "MemoryThrottles",
]


class MemoryStore:
    """Every port of a store, in memory.

    ``log`` is the number its revocation log goes by (below 2^52); without one it draws its own.
    """

    def __init__(self, log: int | None = None) -> None:
        memory = MemoryState() if log is None else MemoryState(log_id=log)
        self.sessions = MemorySessions(memory)
        self.accounts = MemoryAccounts(memory)
        self.log = MemoryLog(memory)
        self.throttles = MemoryThrottles(memory)
        self.keys = MemoryKeys(memory)
        self.audit = MemoryAudit(memory)

    def close(self) -> None:
        """Nothing to let go of; every store has this door."""
