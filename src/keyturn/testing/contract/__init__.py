"""Store contract: tests that every store must pass, races included.

Subclass it in a test file and define a fixture that creates an empty store::

    from keyturn.testing.contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            store = MyStore(...)
            yield store
            store.close()

A store has the attributes that ``keyturn.ports.StorePorts`` declares, each an object with the methods of its protocol.
An async store is wrapped in ``keyturn.testing.blocking.Blocking``.
The contract has no special case for any store, and none may be added.
"""

from keyturn.testing.contract.accounts import AccountContract
from keyturn.testing.contract.generation_increments import GenerationIncrementContract
from keyturn.testing.contract.log import LogContract
from keyturn.testing.contract.one_time import OneTimeContract
from keyturn.testing.contract.races import RaceContract
from keyturn.testing.contract.replace_and_revoke import ReplaceAndRevokeContract
from keyturn.testing.contract.sessions import SessionContract
from keyturn.testing.contract.throttles_keys_audit import ThrottleKeyAuditContract

__all__ = ["StoreContract"]


class StoreContract(
    SessionContract,
    GenerationIncrementContract,
    LogContract,
    AccountContract,
    ReplaceAndRevokeContract,
    ThrottleKeyAuditContract,
    OneTimeContract,
    RaceContract,
):
    """All tests of the store contract."""
