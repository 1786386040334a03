"""Reference store in memory, for tests, examples and trials. All data is lost when the process ends.

One lock guards everything: the simplest implementation of the ports.
"""

from collections.abc import Callable
from typing import Any

from keyturn.ports import StorePorts
from keyturn.stores.memory.accounts import MemoryAccounts
from keyturn.stores.memory.one_time import MemoryOneTime
from keyturn.stores.memory.records import MemoryAudit, MemoryKeys, MemoryThrottles
from keyturn.stores.memory.sessions import MemoryLog, MemorySessions
from keyturn.stores.memory.state import MemoryState
from keyturn.stores.proxy import set_async_ports

__all__ = [
    "AsyncMemoryStore",
    "MemoryAccounts",
    "MemoryAudit",
    "MemoryKeys",
    "MemoryLog",
    "MemoryOneTime",
    "MemorySessions",
    "MemoryStore",
    "MemoryThrottles",
]


class MemoryStore(StorePorts):
    """Store in memory, with every port as an attribute. ``subscribe``: see ``MemoryLog``.

    ``log``: id of its revocation log, below 2^52. Default: random.
    """

    def __init__(self, log: int | None = None) -> None:
        memory = MemoryState() if log is None else MemoryState(log_id=log)
        self.sessions = MemorySessions(memory)
        self.accounts = MemoryAccounts(memory)
        self.log = log_of_memory = MemoryLog(memory)
        self.subscribe = log_of_memory.subscribe
        self.throttles = MemoryThrottles(memory)
        self.keys = MemoryKeys(memory)
        self.audit = MemoryAudit(memory)
        self.one_time = MemoryOneTime(memory)

    def close(self) -> None:
        """Close the store: a no-op, for the interface of all stores."""


class AsyncMemoryStore(StorePorts):
    """Async version of ``MemoryStore``. ``store``: the store to share. Default: a new one."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        set_async_ports(self, self.store, _run_inline)

    async def close(self) -> None:
        """Close the store: a no-op, for the interface of all stores."""
        self.store.close()


async def _run_inline(method: Callable[..., Any], *arguments: object) -> Any:
    """Call ``method`` in the event loop: it waits only for a lock held for microseconds."""
    return method(*arguments)
