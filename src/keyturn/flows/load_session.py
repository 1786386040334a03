"""Lookup of the session of a presented credential, always in the store, never in a cache."""

from keyturn.core.sealed import ParsedCredential, verify_mac
from keyturn.core.session import LoadedSession
from keyturn.errors import TokenInvalid
from keyturn.flows import effects
from keyturn.flows.effects import Flow


def load_session_by_credential(credential: ParsedCredential) -> Flow[LoadedSession]:
    """Load the session and verify the MAC of ``credential`` with its seed.

    Raises ``TokenInvalid``, both for a missing session and for a forged credential, so that they look the same.
    """
    loaded = yield from effects.load(credential.sid)
    if loaded is None or not verify_mac(credential, loaded.session.seed):
        raise TokenInvalid("the session does not exist, or the MAC of the credential does not match it")
    return loaded
