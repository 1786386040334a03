"""Revocation of the sessions that a new login in the same browser replaces."""

from collections.abc import Iterable
from typing import cast

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Refusal
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect
from keyturn.flows.revoke import revoke_session


def revoke_previous_sessions(tokens: Iterable[str], keep: SessionId, now: Instant, config: IssuerConfig) -> Flow[None]:
    """Revoke the sessions of ``tokens``, other than ``keep`` (OWASP ASVS 5.0 7.2.4).

    Only a valid credential revokes its session. Refusals are ignored, because the login has already succeeded.
    """
    for token in tokens:
        try:
            yield from _revoke(token, keep, now, config)
        except Refusal:
            continue


def _revoke(token: str, keep: SessionId, now: Instant, config: IssuerConfig) -> Flow[None]:
    response = yield from introspect(token, now, config)
    if response["active"] and response["sid"] != keep:
        yield from revoke_session(SessionId(cast(str, response["sid"])), "replaced", now, config)
