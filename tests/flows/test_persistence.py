"""What was done stays done: without a record of it, and after a policy was tightened."""

from dataclasses import replace

import pytest

from flows.catalogue import NEW, OLD, T0, Stage, later, refused
from keyturn.core.audit import AuditEvent
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.policy import HOUR
from keyturn.errors import StoreUnavailable, TokenRevoked
from keyturn.flows import change_password, confirm_password, login, verify_access, verify_session
from keyturn.flows.revoke import revoke_everything, revoke_session


class Unwritable:
    """An audit log in trouble."""

    def append(self, event: AuditEvent) -> None:
        raise StoreUnavailable("busy")


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_an_event_that_cannot_be_recorded_takes_no_credential_away(stage: Stage) -> None:
    """P9: the session token is renewed by then, and the earlier one void."""
    renewed = stage.run(confirm_password(stage.sid, OLD, "both", T0, stage.realm), audit=Unwritable())
    assert stage.run(verify_session(str(renewed.session_token), T0, stage.realm)).sid == stage.sid
    changed = stage.run(change_password(stage.sid, OLD, NEW, "both", T0, stage.realm))
    assert stage.run(verify_session(str(changed.session_token), T0, stage.realm)).sid == stage.sid
    assert stage.run(login(stage.attempt(NEW), T0, stage.realm)).subject == stage.x.subject


def lasting(stage: Stage, access_seconds: int) -> IssuerConfig:
    profile = stage.realm.profile
    session = replace(profile.session, inactivity_seconds=4 * HOUR, overall_seconds=8 * HOUR)
    token = replace(profile.token, access_seconds=access_seconds)
    return replace(stage.realm, profile=replace(profile, session=session, token=token))


@pytest.mark.parametrize("everything", [True, False])
def test_a_token_of_a_longer_policy_outlasts_no_revocation(stage: Stage, everything: bool) -> None:
    """P4: its entry is kept for as long as the tokens of today's policy live, and is forgotten by then."""
    longer, shorter = lasting(stage, 2 * HOUR), lasting(stage, 60)
    issued = stage.run(login(stage.attempt(OLD), T0, longer))
    token = str(issued.access_token)
    revoking = revoke_everything(T0, shorter) if everything else revoke_session(issued.sid, "logout", T0, shorter)
    assert stage.run(verify_access(token, T0, shorter)).sid == issued.sid
    stage.run(revoking)
    now = later(shorter.profile.token.retired_seconds + 1)
    stage.store.sessions.purge(now)
    assert stage.store.log.snapshot().entries == ()
    refused(stage, TokenRevoked, verify_access(token, now, shorter))
