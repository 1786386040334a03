"""Revocation of the sessions that a new login in the same browser replaces."""

from collections.abc import Iterable
from typing import cast

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.types import Instant, SessionId
from keyturn.errors import Refusal
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect
from keyturn.flows.revoke import revoke_session


def revoke_previous_sessions(tokens: Iterable[str], keep: SessionId, now: Instant, realm: IssuerConfig) -> Flow[None]:
    """Revoke the sessions of ``tokens``, other than ``keep`` (OWASP ASVS 5.0 7.2.4).

    Only a valid credential revokes its session. Refusals are ignored, because the login has already succeeded.
    """
    for token in tokens:
        try:
            yield from _end(token, keep, now, realm)
        except Refusal:
            continue


def _end(token: str, keep: SessionId, now: Instant, realm: IssuerConfig) -> Flow[None]:
    held = yield from introspect(token, now, realm)
    if held["active"] and held["sid"] != keep:
        yield from revoke_session(SessionId(cast(str, held["sid"])), "replaced", now, realm)
