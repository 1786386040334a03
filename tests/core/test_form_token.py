"""Tokens of forms before a login: each is good for one cookie, for an hour, under one secret."""

import pytest

from keyturn.core.form_token import FORM_SECONDS, check_form_token, is_form_id, new_form_id, seal_form_token
from keyturn.core.sealed import CredentialKind, Secrets, seal
from keyturn.core.session import Seed
from keyturn.core.types import Instant, SessionId
from keyturn.errors import CsrfTokenRequired

NOW = Instant(1_900_000_000)
SECRETS = Secrets(b"a" * 32)
OWN, OTHER = new_form_id(b"o" * 16), new_form_id(b"p" * 16)


def is_accepted(text: str, form_id: str | None, now: int = NOW, secrets: Secrets = SECRETS) -> bool:
    try:
        check_form_token(text, form_id, Instant(now), secrets)
    except CsrfTokenRequired:
        return False
    return True


def test_a_form_id_has_a_format_of_its_own() -> None:
    assert is_form_id(OWN)
    assert len(OWN) == 22
    for text in ("", OWN[:-1], OWN + "A", OWN[:-1] + "B", "é" * 22):
        assert not is_form_id(text)


def test_a_token_is_accepted_with_its_own_cookie_only() -> None:
    token = seal_form_token(OWN, NOW, SECRETS).reveal()
    assert is_accepted(token, OWN)
    for form_id in (None, "", OTHER, OWN[:-1], "é"):
        assert not is_accepted(token, form_id)


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(-5, True), (0, True), (FORM_SECONDS, True), (FORM_SECONDS + 1, False)]
)
def test_a_token_is_accepted_for_an_hour(seconds: int, accepted: bool) -> None:
    """A token that is newer than the present was made by an issuer whose clock is ahead."""
    assert is_accepted(seal_form_token(OWN, NOW, SECRETS).reveal(), OWN, NOW + seconds) is accepted


def test_a_token_of_another_secret_is_accepted_during_a_rollover_only() -> None:
    token = seal_form_token(OWN, NOW, SECRETS).reveal()
    other = Secrets(b"b" * 32)
    assert not is_accepted(token, OWN, secrets=other)
    assert is_accepted(token, OWN, secrets=Secrets(other.current, SECRETS.current))


def test_no_other_credential_is_a_token_of_a_form() -> None:
    session = seal(CredentialKind.CSRF, SessionId(OWN), NOW, Seed(b"s" * 32), SECRETS).reveal()
    token = seal_form_token(OWN, NOW, SECRETS).reveal()
    renamed = session.replace("kt_csrf_", "kt_form_")
    for text in ("", "x", session, renamed, token[:-1], token + "A", token.upper(), "kt_form_" + OWN):
        assert not is_accepted(text, OWN)


def test_a_tag_without_the_mac_is_not_enough() -> None:
    """The tag refuses garbage early; only the whole MAC proves the id and the time."""
    later = seal_form_token(OWN, Instant(NOW + 10), SECRETS).reveal()
    body, _, mac = seal_form_token(OWN, NOW, SECRETS).reveal().rpartition(".")
    assert not is_accepted(f"{body}.{later.rpartition('.')[2]}", OWN)
    assert is_accepted(f"{body}.{mac}", OWN)
