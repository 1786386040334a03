"""Sealed credentials: both halves are needed, none is good as another, garbage is refused before any store is asked."""

import hmac
import itertools
import pickle
import traceback
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.sealed import (
    MAX_CREDENTIAL_CHARS,
    CredentialKind,
    PlaintextToken,
    Secrets,
    key_label,
    parse,
    seal,
    verify_mac,
)
from keyturn.core.session import Seed
from keyturn.core.types import SessionId
from keyturn.errors import ConfigurationError, TokenInvalid, TokenMalformed

SECRETS = Secrets(b"a" * 32)
OTHER = Secrets(b"b" * 32)
SEED = Seed(b"s" * 32)
SID = SessionId("AbCdEfGhIjKlMnOpQrStuA")
URL64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

counters = st.integers(0, 10**18 - 1)
sids = st.binary(min_size=16, max_size=16).map(lambda raw: SessionId(urlsafe_b64encode(raw).decode().rstrip("=")))
seeds = st.binary(min_size=16, max_size=64).map(Seed)
kinds = st.sampled_from([kind for kind in CredentialKind if kind.has_seed])


def seed_of(kind: CredentialKind) -> Seed:
    return SEED if kind.has_seed else Seed(b"")


@given(kinds, sids, counters, seeds)
def test_a_sealed_credential_is_parsed_and_verified(
    kind: CredentialKind, sid: SessionId, counter: int, seed: Seed
) -> None:
    token = seal(kind, sid, counter, seed, SECRETS)
    assert token == seal(kind, sid, counter, seed, SECRETS), "derived, so the same for whoever asks"
    assert len(token) <= MAX_CREDENTIAL_CHARS
    presented = parse(token.reveal(), kind, SECRETS)
    assert (presented.kind, presented.sid, presented.counter) == (kind, sid, counter)
    assert verify_mac(presented, seed)


@given(kinds, sids, counters, seeds, seeds)
def test_a_credential_is_not_verified_with_another_seed(
    kind: CredentialKind, sid: SessionId, counter: int, seed: Seed, other: Seed
) -> None:
    if hmac.digest(seed, b"", "sha256") == hmac.digest(other, b"", "sha256"):
        return  # HMAC pads keys with zeros; the store's seeds are all of one length
    assert not verify_mac(parse(seal(kind, sid, counter, seed, SECRETS), kind, SECRETS), other)


@pytest.mark.parametrize(("kind", "other"), list(itertools.permutations(CredentialKind, 2)))
def test_no_kind_is_good_as_another(kind: CredentialKind, other: CredentialKind) -> None:
    token = seal(kind, SID, 3, seed_of(kind), SECRETS)
    with pytest.raises(TokenMalformed):
        parse(token, other, SECRETS)
    with pytest.raises(TokenInvalid):
        parse(token.replace(f"kt_{kind}_", f"kt_{other}_"), other, SECRETS)
    # Even someone who can make tags, with the secret alone, cannot turn one kind's mac into another's.
    raw = urlsafe_b64decode(token.rpartition(".")[2])
    body = f"kt_{other}_{SID}.3."
    tag = hmac.digest(SECRETS.tag_key(SECRETS.current), body.encode() + raw[7:], "sha256")[:7]
    forged = parse(body + urlsafe_b64encode(tag + raw[7:]).decode(), other, SECRETS)
    assert not verify_mac(forged, seed_of(other))


@pytest.mark.parametrize(
    ("kind", "token"),
    [
        ("session", "kt_session_AbCdEfGhIjKlMnOpQrStuA.17.7rdK5AXmbWW69pU-2TXSkPkkg2bRtbWTIUb7Fe4-uBdqB4vhWKdj"),
        ("refresh", "kt_refresh_AbCdEfGhIjKlMnOpQrStuA.17.hnd0LW6OOwWf75wUfOyhR9_jko52lI4ar8b4-fnvnitL8rGJqNS0"),
        ("csrf", "kt_csrf_AbCdEfGhIjKlMnOpQrStuA.17.TtRMOOE7uOV3e-NTiwZgF8LG35HXTAernYPMIUNTCvIpDwrRHKym"),
    ],
)
def test_credentials_of_earlier_versions_stay_valid(kind: str, token: str) -> None:
    assert seal(CredentialKind(kind), SID, 17, SEED, SECRETS).reveal() == token
    assert verify_mac(parse(token, CredentialKind(kind), SECRETS), SEED)


def test_each_kind_is_registered_once_with_keys_of_its_own() -> None:
    assert list(CredentialKind.__members__.values()) == list(CredentialKind)
    assert len({kind.label for kind in CredentialKind}) == len(CredentialKind)
    assert all(kind.value.isascii() and kind.value.islower() and kind.value.isalpha() for kind in CredentialKind)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="link"):
        CredentialKind("link")
    unknown = seal(CredentialKind.CSRF, SID, 1, SEED, SECRETS).replace("kt_csrf_", "kt_link_")
    for kind in CredentialKind:
        with pytest.raises(TokenMalformed):
            parse(unknown, kind, SECRETS)


def test_a_kind_without_a_seed_has_another_key_than_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, empty = CredentialKind.CSRF, Seed(b"")
    bound = seal(kind, SID, 1, SEED, SECRETS)
    monkeypatch.setattr(kind, "has_seed", False)
    monkeypatch.setattr(kind, "label", key_label("csrf", has_seed=False))
    token = seal(kind, SID, 1, empty, SECRETS)
    assert verify_mac(parse(token, kind, SECRETS), empty)
    assert not verify_mac(parse(bound, kind, SECRETS), SEED)
    with pytest.raises(ValueError, match="has no seed"):
        seal(kind, SID, 1, SEED, SECRETS)
    # The device cookie and the shared cache have keys of the secret alone: a kind of one of these names has another.
    assert kind.label == b"credential/csrf" != key_label("csrf", has_seed=True)


def test_a_kind_with_a_seed_is_refused_without_one() -> None:
    kind, empty = CredentialKind.SESSION, Seed(b"")
    with pytest.raises(ValueError, match="needs a seed"):
        seal(kind, SID, 1, empty, SECRETS)
    raw = hmac.digest(Secrets.derive(SECRETS.current, kind.label), (body := f"kt_session_{SID}.1.").encode(), "sha256")
    tag = hmac.digest(SECRETS.tag_key(SECRETS.current), body.encode() + raw, "sha256")[:7]
    forged = parse(body + urlsafe_b64encode(tag + raw).decode(), kind, SECRETS)
    assert not verify_mac(forged, empty), "made with the secret alone"


def test_a_secret_without_the_seed_makes_no_credential() -> None:
    guess = seal(CredentialKind.SESSION, SID, 0, Seed(bytes(32)), SECRETS)
    assert not verify_mac(parse(guess, CredentialKind.SESSION, SECRETS), SEED)


def test_a_seed_without_the_secret_makes_no_credential() -> None:
    with pytest.raises(TokenInvalid):
        parse(seal(CredentialKind.SESSION, SID, 0, SEED, OTHER), CredentialKind.SESSION, SECRETS)


@pytest.mark.parametrize("kind", list(CredentialKind))
def test_changing_any_one_character_is_noticed(kind: CredentialKind) -> None:
    token = seal(kind, SID, 17, seed_of(kind), SECRETS).reveal()
    for at, char in enumerate(token):
        for other in {URL64[(URL64.find(char) + 1) % 64], URL64[(URL64.find(char) + 33) % 64], ".", "=", "\n", "é"} - {
            char
        }:
            changed = token[:at] + other + token[at + 1 :]
            with pytest.raises((TokenMalformed, TokenInvalid)):
                parse(changed, kind, SECRETS)


@pytest.mark.parametrize("counter", ["00", "01", "+1", "-1", " 1", "1_0", "\u0661", "", "1.0", "9" * 19, "1e3"])
def test_a_counter_has_one_spelling(counter: str) -> None:
    token = seal(CredentialKind.REFRESH, SID, 1, SEED, SECRETS).reveal()
    with pytest.raises(TokenMalformed):
        parse(token.replace(f"{SID}.1.", f"{SID}.{counter}."), CredentialKind.REFRESH, SECRETS)


@pytest.mark.parametrize("last", sorted(set(URL64) - set("AQgw")))
def test_a_sid_has_one_spelling(last: str) -> None:
    """22 characters hold 132 bits: four of them would be spare, and two spellings would name one session."""
    token = seal(CredentialKind.SESSION, SessionId(SID[:-1] + last), 0, SEED, SECRETS)
    with pytest.raises(TokenMalformed):
        parse(token, CredentialKind.SESSION, SECRETS)


@pytest.mark.parametrize(
    "around", [" {}", "{} ", "{}\n", "\n{}", "{}=", "{}.", "x{}", "{}{}", "\x00{}", "{}\x00", "Bearer {}"]
)
def test_surrounding_text_makes_a_credential_malformed(around: str) -> None:
    token = seal(CredentialKind.SESSION, SID, 0, SEED, SECRETS).reveal()
    with pytest.raises(TokenMalformed):
        parse(around.format(token, token), CredentialKind.SESSION, SECRETS)


def test_upper_case_is_another_text() -> None:
    token = seal(CredentialKind.SESSION, SID, 0, SEED, SECRETS).reveal()
    with pytest.raises(TokenMalformed):
        parse(token.replace("kt_session", "KT_SESSION"), CredentialKind.SESSION, SECRETS)


@given(st.text() | st.from_regex(r"kt_(session|refresh|csrf)_[A-Za-z0-9_-]{22}\.[0-9]{1,20}\.[A-Za-z0-9_-]{40,60}"))
def test_garbage_is_refused_as_malformed_or_invalid(text: str) -> None:
    for kind in CredentialKind:
        with pytest.raises((TokenMalformed, TokenInvalid)):
            parse(text, kind, SECRETS)


def test_an_overlong_credential_is_refused() -> None:
    with pytest.raises(TokenMalformed):
        parse("kt_session_" + "A" * 10**6, CredentialKind.SESSION, SECRETS)


# --- secret rollover ----------------------------------------------------------------------------------------


def test_a_previous_secret_is_honoured_while_it_rolls_over_and_not_after() -> None:
    old = seal(CredentialKind.REFRESH, SID, 4, SEED, SECRETS)
    rolling = Secrets(OTHER.current, SECRETS.current)
    assert verify_mac(parse(old, CredentialKind.REFRESH, rolling), SEED)
    new = seal(CredentialKind.REFRESH, SID, 4, SEED, rolling)
    assert new == seal(CredentialKind.REFRESH, SID, 4, SEED, OTHER), "what is made is made with the current one"
    assert verify_mac(parse(new, CredentialKind.REFRESH, rolling), SEED)
    with pytest.raises(TokenInvalid):
        parse(old, CredentialKind.REFRESH, OTHER)


def test_a_tag_and_a_mac_of_different_secrets_are_refused() -> None:
    rolling = Secrets(OTHER.current, SECRETS.current)
    raw = urlsafe_b64decode(seal(CredentialKind.SESSION, SID, 0, SEED, SECRETS).rpartition(".")[2])
    body = f"kt_session_{SID}.0."
    tag = hmac.digest(rolling.tag_key(OTHER.current), body.encode() + raw[7:], "sha256")[:7]
    mixed = parse(body + urlsafe_b64encode(tag + raw[7:]).decode(), CredentialKind.SESSION, rolling)
    assert not verify_mac(mixed, SEED)


@pytest.mark.parametrize("secrets", [(b"",), (b"x" * 31,), (b"x" * 32, b"short")])
def test_a_short_secret_is_refused_when_it_is_configured(secrets: tuple[bytes, ...]) -> None:
    with pytest.raises(ConfigurationError, match="32 bytes") as refused:
        Secrets(*secrets)
    assert "short" not in str(refused.value)


def test_each_purpose_has_a_key_of_its_own() -> None:
    keys = {
        Secrets.derive(b"x" * 32, purpose, salt) for purpose in (b"tag", b"session", b"refresh") for salt in (b"", b"s")
    }
    assert len(keys) == 6
    assert {len(key) for key in keys} == {32}


def test_derivation_is_hkdf_of_rfc_5869() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    for salt in (b"", b"salt"):
        theirs = HKDF(SHA256(), 32, salt or None, b"keyturn/session").derive(b"x" * 32)
        assert Secrets.derive(b"x" * 32, b"session", salt) == theirs


# --- nothing secret is shown --------------------------------------------------------------------------------


def test_secrets_seeds_and_tokens_are_masked_wherever_they_are_shown() -> None:
    token = seal(CredentialKind.SESSION, SID, 0, SEED, SECRETS)
    presented = parse(token, CredentialKind.SESSION, SECRETS)
    mac = token.rpartition(".")[2]
    shown = "".join(
        [repr(each) for each in (SECRETS, SEED, token, presented, [token], {"seed": SEED}, (SECRETS,))]
        + [str(each) for each in (SECRETS, SEED, presented)]
        + [f"{SEED} {SECRETS!s}"]
    )
    for hidden in (mac, "ssss", "aaaa", repr(presented.mac)[2:-1]):
        assert hidden not in shown
    assert SID in repr(presented)


def test_a_traceback_of_a_refusal_shows_no_credential() -> None:
    token = seal(CredentialKind.SESSION, SID, 0, SEED, OTHER).reveal()
    with pytest.raises(TokenInvalid) as refused:
        parse(token, CredentialKind.SESSION, SECRETS)
    assert token not in "".join(traceback.format_exception(refused.value))


def test_a_plaintext_token_goes_out_as_the_text_it_is() -> None:
    token = PlaintextToken("kt_x")
    assert token.reveal() == "kt_x"
    assert type(token.reveal()) is str
    assert f"{token}" == "kt_x"
    assert repr(token) == "PlaintextToken(***)"


def test_a_seed_is_bytes_all_the_same() -> None:
    assert pickle.loads(pickle.dumps(SEED)) == SEED
    assert bytes(SEED) == b"s" * 32
    assert repr(SEED) == str(SEED) == "Seed(***)"
    assert SECRETS.all == (b"a" * 32,)
    assert Secrets(b"a" * 32, b"b" * 32).all == (b"a" * 32, b"b" * 32)
