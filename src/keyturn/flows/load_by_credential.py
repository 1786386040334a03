"""Find: from a presented credential to the session that proves it. Always asks the store, which is the truth."""

from keyturn.core.sealed import ParsedCredential, verify_mac
from keyturn.core.session import LoadedSession
from keyturn.errors import TokenInvalid
from keyturn.flows import effects
from keyturn.flows.effects import Flow


def load_by_credential(presented: ParsedCredential) -> Flow[LoadedSession]:
    """The session whose seed made ``presented``. Raises ``TokenInvalid``: one answer for gone and for forged."""
    found = yield from effects.load(presented.sid)
    if found is None or not verify_mac(presented, found.session.seed):
        raise TokenInvalid("no session made this credential")
    return found
