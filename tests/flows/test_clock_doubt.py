"""Flows while clocks disagree: what rests on time is 503, and what does not goes on."""

from dataclasses import replace
from typing import Any

import pytest

from flows.catalogue import FlowFixture, later, refused
from interleavings.harness import OLD, T0
from keyturn.core.policy import MOBILE
from keyturn.core.sealed import CredentialKind
from keyturn.core.types import Instant
from keyturn.errors import ClockUncertain, StoreUnavailable, TokenRevoked
from keyturn.flows.login import login
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import revoke_everything
from keyturn.flows.verify import verify_session


@pytest.fixture
def flows() -> FlowFixture:
    return FlowFixture()


@pytest.mark.parametrize("gap", [31, 601, 100_000])
def test_a_refresh_waits_while_the_clocks_differ_by_more_than_the_grace_window(flows: FlowFixture, gap: int) -> None:
    text = flows.sealed(CredentialKind.REFRESH, 0)
    refused(flows, ClockUncertain, refresh(text, "tokens", T0, flows.realm.under_doubt(gap, 0)))
    assert flows.run(refresh(text, "tokens", T0, flows.realm)).refresh_token


def test_a_login_waits_while_its_token_would_not_be_valid_by_each_clock(flows: FlowFixture) -> None:
    in_doubt = flows.realm.under_doubt(600, 0)
    refused(flows, ClockUncertain, login(flows.attempt(OLD), T0, in_doubt))
    assert flows.run(login(flows.attempt(OLD), T0, flows.realm.under_doubt(599, 0))).access_token


@pytest.mark.parametrize("is_late", [False, True])
def test_a_retired_token_whose_rotation_is_dated_ahead_is_503(flows: FlowFixture, is_late: bool) -> None:
    """Another issuer rotated by a clock half an hour ahead: the age of the rotation is unknown."""
    realm = (
        replace(flows.realm, profile=replace(flows.realm.profile, session=MOBILE.session)) if is_late else flows.realm
    )
    text = flows.sealed(CredentialKind.REFRESH, 0)
    flows.run(refresh(text, "tokens", later(1800), realm))
    refused(flows, ClockUncertain, refresh(text, "tokens", T0, realm))


class UnsearchableSessions:
    """Sessions that cannot be searched in time."""

    def __init__(self, sessions: Any) -> None:
        self.load, self.raise_not_before = sessions.load, sessions.raise_not_before

    def last_use(self, client_id: str | None) -> Instant:
        raise StoreUnavailable("too many sessions")


def test_a_store_that_cannot_tell_the_last_use_revokes_all_the_same(flows: FlowFixture) -> None:
    flows.run(revoke_everything(T0, flows.realm), sessions=UnsearchableSessions(flows.store.sessions))
    refused(flows, TokenRevoked, verify_session(flows.sealed(CredentialKind.SESSION, 0), T0, flows.realm))
