"""Rotation of refresh tokens: concurrent uses of one token all get the same successor."""

from collections.abc import Sequence
from dataclasses import replace

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import Deliver
from keyturn.core.rotation import RotationResult, rotate
from keyturn.core.sealed import CredentialKind, parse
from keyturn.core.session import LoadedSession
from keyturn.core.types import Instant
from keyturn.flows import effects
from keyturn.flows.effects import Flow, call
from keyturn.flows.grants import decide_grant
from keyturn.flows.issue import IssuedCredentials, check_resource, issue
from keyturn.flows.load_session import load_session_by_credential
from keyturn.flows.revoke import session_end, session_renewal
from keyturn.ports import SessionStore
from keyturn.ports.caches import SessionCache


def refresh(
    text: str,
    deliver: Deliver,
    now: Instant,
    config: IssuerConfig,
    resource: Sequence[str] | None = None,
    address: str = "",
) -> Flow[IssuedCredentials]:
    """Rotate a refresh token (RFC 6749 section 6, RFC 9700 section 4.14.2). ``address``: of the client, for the audit.

    ``resource``: narrows the access token, not the session (RFC 8707 section 2.2). Raises ``InvalidTarget``, which
    leaves the refresh token usable, if it was not granted at login.
    Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenRevoked``, ``SessionEnded``; ``TokenReused`` if a retired token
    is presented (this ends its session), ``CounterAhead`` if the store lost an acknowledged write, ``StepUpRequired``
    if the policy blocks refresh tokens that were issued again too often. ``GrantsUnavailable`` leaves the refresh token
    usable.
    """
    config.require_clocks_for_rotation()
    credential = parse(text, CredentialKind.REFRESH, config.secrets)
    while True:
        loaded = yield from load_session_by_credential(credential)
        result = rotate(loaded, credential.counter, now, config.profile.session)
        if result.refusal is None:
            check_resource(result.session, deliver, config, resource)
            result = yield from _decide_grant(result, loaded)
        if not (yield from _persist(result, loaded, now, config)):
            continue  # another request won the compare-and-swap: decide again from the session it stored
        if result.event is not None:
            yield from effects.record_event(result.event, now, result.session.subject, credential.sid, address)
        result.or_raise()
        return (yield from issue(result.session, deliver, now, config, resource))


def _decide_grant(result: RotationResult, loaded: LoadedSession) -> Flow[RotationResult]:
    session = yield from decide_grant(result.session)
    if session is not result.session and result.session is loaded.session:
        # A repeated answer within the grace window, which would be written for nothing else.
        session = replace(session, version=session.version + 1)
    return replace(result, session=session)


def _persist(result: RotationResult, loaded: LoadedSession, now: Instant, config: IssuerConfig) -> Flow[bool]:
    """Persist the rotated session. Return False if another request won the compare-and-swap."""
    if result.session is not loaded.session:
        return (yield from _store(result, loaded, now, config))
    # P3: within the grace window the rotation may be one that no replica has confirmed yet. Issuing its successor
    # acknowledges it, so it must be durable first.
    return result.refusal is not None or loaded.durable or (yield from call(SessionStore.wait_durable, loaded.session))


def _store(result: RotationResult, loaded: LoadedSession, now: Instant, config: IssuerConfig) -> Flow[bool]:
    session, before, entry = result.session, loaded.session, None
    if session.ended_at is not None:
        entry = session_end(session.sid, now, config)
    elif (session.scope, session.claims) != (before.scope, before.claims):
        # It voids no token: every process drops its copy of the session, with the scopes that it had before.
        entry = session_renewal(session.sid, session.renewals, now, config)
    sequence = yield from call(SessionStore.replace, session, entry)
    if sequence is None:
        return False
    yield from (call(SessionCache.apply_local, entry) if entry else call(SessionCache.evict, session.sid))
    return True
