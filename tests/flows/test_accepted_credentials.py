"""``accepted_credentials``: which credentials authenticate a request, whatever a login was given before."""

import asyncio
from dataclasses import replace

import pytest

from keyturn import AsyncIssuer, ConfigurationError, Issuer
from keyturn.errors import CredentialsNotOffered, TokenInvalid
from web.exchanges import PASSWORD, cheap, settings


@pytest.mark.parametrize(("accepted", "refused"), [("session", "access"), ("jwt", "session")])
def test_a_credential_that_is_left_out_is_refused_and_its_session_goes_on(accepted: str, refused: str) -> None:
    store = settings(credentials="hybrid")
    before = cheap(Issuer.open(store, background=False))
    issued = before.signup("ada@example.com", PASSWORD, deliver="both")
    texts = {"session": issued.session_token, "access": issued.access_token}
    after = cheap(Issuer.open(settings(credentials=accepted, accepted_credentials=accepted), background=False))
    after.parts.hasher.close()
    after.parts = replace(before.parts, config=after.config)
    for kind, text in texts.items():
        if kind == refused:
            with pytest.raises(TokenInvalid):
                after.verify(text)
        else:
            assert after.verify(text).credential == kind
        assert before.verify(text).credential == kind
    before.parts.hasher.close()


@pytest.mark.parametrize(("credentials", "accepted"), [("hybrid", "jwt"), ("hybrid", "session"), ("session", "jwt")])
def test_an_issuer_that_would_refuse_its_own_logins_is_misconfigured(credentials: str, accepted: str) -> None:
    with pytest.raises(ConfigurationError, match="accepted_credentials"):
        Issuer(settings(credentials=credentials, accepted_credentials=accepted))


def test_a_refresh_token_is_refused_once_only_sessions_are_offered() -> None:
    issuer = cheap(Issuer.open(settings(), background=False))
    issued = issuer.signup("ada@example.com", PASSWORD, deliver="tokens")
    strict = Issuer(settings(credentials="session"))
    strict.parts = replace(issuer.parts, config=strict.config)
    assert issued.refresh_token is not None
    with pytest.raises(CredentialsNotOffered):
        strict.refresh(issued.refresh_token.reveal())
    assert issuer.refresh(issued.refresh_token.reveal()).access_token is not None
    issuer.parts.hasher.close()


def test_the_setting_is_read_by_both_issuers() -> None:
    given = settings(credentials="jwt", accepted_credentials="jwt")
    assert {Issuer(given).config.accepted_credentials, AsyncIssuer(given).config.accepted_credentials} == {"jwt"}
    asyncio.run(AsyncIssuer(given).close())
