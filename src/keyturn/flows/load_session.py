"""Lookup of the session of a presented credential, always in the store, never in a cache."""

from keyturn.core.sealed import ParsedCredential, verify_mac
from keyturn.core.session import LoadedSession
from keyturn.core.types import SessionId
from keyturn.errors import StoreRestored, TokenInvalid
from keyturn.flows.effects import Flow, call
from keyturn.ports import SessionStore
from keyturn.ports.caches import SessionCache


def load_session(sid: SessionId) -> Flow[LoadedSession | None]:
    """Load a session, or return None.

    Raises ``StoreRestored`` for an unknown one while the database is suspended: the backup may be older than it.
    """
    loaded = yield from call(SessionStore.load, sid)
    if loaded is None and (yield from call(SessionCache.is_suspended)):
        raise StoreRestored("the session is not in the restored database")
    return loaded


def load_session_by_credential(credential: ParsedCredential) -> Flow[LoadedSession]:
    """Load the session and verify the MAC of ``credential`` with its seed.

    Raises ``TokenInvalid``, both for a missing session and for a forged credential, so that they look the same, and
    ``StoreRestored`` for a missing one while the database is suspended.
    """
    loaded = yield from load_session(credential.sid)
    if loaded is None or not verify_mac(credential, loaded.session.seed):
        raise TokenInvalid("the session does not exist, or the MAC of the credential does not match it")
    return loaded
