"""Effects of flows outlive an unavailable audit log and a stricter policy."""

from dataclasses import replace

import pytest

from flows.catalogue import NEW, OLD, T0, FlowFixture, later, refused
from keyturn.core.audit import AuditEvent
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import HOUR
from keyturn.errors import StoreUnavailable, TokenRevoked
from keyturn.flows import change_password, confirm_password, login, verify_access, verify_session
from keyturn.flows.revoke import revoke_everything, revoke_session


class UnavailableAuditLog:
    """An audit log in trouble."""

    def append(self, event: AuditEvent) -> None:
        raise StoreUnavailable("busy")


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


def test_an_event_that_cannot_be_recorded_takes_no_credential_away(flows: FlowFixture) -> None:
    """P9: the session token is renewed by then, and the earlier one void."""
    renewed = flows.run(confirm_password(flows.sid, OLD, "both", T0, flows.realm), audit=UnavailableAuditLog())
    assert flows.run(verify_session(str(renewed.session_token), T0, flows.realm)).sid == flows.sid
    changed = flows.run(change_password(flows.sid, OLD, NEW, "both", T0, flows.realm))
    assert flows.run(verify_session(str(changed.session_token), T0, flows.realm)).sid == flows.sid
    assert flows.run(login(flows.attempt(NEW), T0, flows.realm)).subject == flows.x.subject


def with_lifetimes(flows: FlowFixture, access_seconds: int) -> IssuerConfig:
    profile = flows.realm.profile
    session = replace(profile.session, inactivity_seconds=4 * HOUR, overall_seconds=8 * HOUR)
    token = replace(profile.token, access_seconds=access_seconds)
    return replace(flows.realm, profile=replace(profile, session=session, token=token))


@pytest.mark.parametrize("everything", [True, False])
def test_a_token_of_a_longer_policy_outlasts_no_revocation(flows: FlowFixture, everything: bool) -> None:
    """P4: its entry is kept for as long as the tokens of today's policy live, and is forgotten by then."""
    longer, shorter = with_lifetimes(flows, 2 * HOUR), with_lifetimes(flows, 60)
    issued = flows.run(login(flows.attempt(OLD), T0, longer))
    token = str(issued.access_token)
    revoking = revoke_everything(T0, shorter) if everything else revoke_session(issued.sid, "logout", T0, shorter)
    assert flows.run(verify_access(token, T0, shorter)).sid == issued.sid
    flows.run(revoking)
    now = later(shorter.profile.token.retired_seconds + 1)
    flows.store.sessions.purge(now)
    assert flows.store.log.snapshot().entries == ()
    refused(flows, TokenRevoked, verify_access(token, now, shorter))
