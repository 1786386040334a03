"""Reference store in memory, for tests, examples and trials. All data is lost when the process ends.

One lock guards everything: the simplest implementation of the ports.
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
    """Store in memory, with every port as an attribute.

    ``log``: id of its revocation log, below 2^52. Default: random.
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
        """Close the store: a no-op, for the interface of all stores."""
