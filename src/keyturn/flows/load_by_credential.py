"""Lookup of the session of a presented credential, always in the store, never in a cache."""

from keyturn.core.sealed import ParsedCredential, verify_mac
from keyturn.core.session import LoadedSession
from keyturn.errors import TokenInvalid
from keyturn.flows import effects
from keyturn.flows.effects import Flow


def load_by_credential(presented: ParsedCredential) -> Flow[LoadedSession]:
    """Load the session and verify the MAC of ``presented`` with its seed.

    Raises ``TokenInvalid``, both for a missing session and for a forged credential, so that they look the same.
    """
    found = yield from effects.load(presented.sid)
    if found is None or not verify_mac(presented, found.session.seed):
        raise TokenInvalid("no session made this credential")
    return found
