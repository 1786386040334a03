"""Sessions that a new login in the same browser replaces, and their revocation."""

from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Refusal
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect
from keyturn.flows.revoke import revoke_session


def revoke_previous_sessions(tokens: Iterable[str], keep: SessionId, now: Instant, config: IssuerConfig) -> Flow[None]:
    """Revoke the sessions of ``tokens``, other than ``keep`` (OWASP ASVS 5.0 7.2.4).

    Refusals are ignored, because the login has already succeeded.
    """
    for sid in (yield from find_previous_sessions(tokens, now, config)):
        if sid != keep:
            with suppress(Refusal):
                yield from revoke_session(sid, "replaced", now, config)


def find_previous_sessions(tokens: Iterable[str], now: Instant, config: IssuerConfig) -> Flow[list[SessionId]]:
    """Return the sessions of ``tokens``. Only a valid credential names its session; a refusal of one is ignored."""
    found: list[SessionId] = []
    for token in tokens:
        with suppress(Refusal):
            response = yield from introspect(token, now, config)
            if response["active"]:
                found.append(SessionId(cast(str, response["sid"])))
    return list(dict.fromkeys(found))
