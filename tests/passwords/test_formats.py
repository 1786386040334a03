"""Hashes of Django, Werkzeug, pwdlib, PHP and bcrypt: verified, upgraded, bounded, and never an error."""

import hashlib
import json
import logging
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import ConfigurationError, Overloaded
from keyturn.passwords import Argon2Hasher, Argon2Parameters, HashTable
from keyturn.passwords.formats import MAX_HASH_LENGTH, parse_hash
from keyturn.ports import PasswordCheck

CHEAP = Argon2Parameters(memory_cost=8, time_cost=1)
VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
NO = PasswordCheck(matches=False)
OUTDATED = PasswordCheck(matches=True, needs_rehash=True)
BCRYPT = "$2y$10$qQexI4WnAYW0A/1BV0hxHeKgO2RPQ/Y6fEA2pHvsDHK8a..MnqH0m"
PBKDF2 = "pbkdf2_sha256$1000$oldsalt12345$"


@pytest.fixture
def hasher() -> Iterator[Argon2Hasher]:
    made = Argon2Hasher(CHEAP, threads=1, queue=2)
    yield made
    made.close()


@pytest.mark.parametrize("vector", VECTORS["hashes"], ids=lambda each: f"{each['maker']} {each['encoded'][:16]}")
def test_a_hash_of_other_software_matches_its_password_only(hasher: Argon2Hasher, vector: dict[str, str]) -> None:
    assert hasher.verify(vector["encoded"], vector["password"]) == OUTDATED
    assert hasher.verify(vector["encoded"], vector["wrong"]) == NO
    assert hasher.unusable_hashes == 0


def test_a_password_is_compared_as_typed_and_as_prepared(hasher: Argon2Hasher) -> None:
    typed = unicodedata.normalize("NFD", "Grüße an Jürgen")
    encoded = "pbkdf2:sha256:1000$salt$" + hashlib.pbkdf2_hmac("sha256", typed.encode(), b"salt", 1000).hex()
    assert hasher.verify(encoded, typed) == OUTDATED
    assert hasher.verify(encoded, "Grüße an Jürgen") == NO
    assert hasher.verify(hasher.hash(typed), "Grüße an Jürgen") == PasswordCheck(matches=True)


def test_an_upgraded_hash_is_in_the_encoding_of_its_table_and_current() -> None:
    django = Argon2Hasher(CHEAP, threads=1, table=HashTable(encoding="django"))
    encoded = django.hash("purple otters")
    assert encoded.startswith("argon2$argon2id$v=19$m=8,t=1,p=1$")
    assert django.verify(encoded, "purple otters") == PasswordCheck(matches=True)
    assert django.verify(encoded.removeprefix("argon2"), "purple otters") == OUTDATED
    django.close()


def test_an_upgraded_hash_is_accepted_by_django_itself() -> None:
    code = (
        "import sys; from django.conf import settings; settings.configure();"
        "from django.contrib.auth.hashers import check_password, identify_hasher;"
        "assert check_password('purple otters', sys.argv[1]) and identify_hasher(sys.argv[1]).algorithm == 'argon2'"
    )
    django = Argon2Hasher(CHEAP, threads=1, table=HashTable(encoding="django"))
    subprocess.run([sys.executable, "-c", code, django.hash("purple otters")], check=True)
    django.close()


def test_an_encoding_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="phc or django"):
        HashTable(encoding="werkzeug")  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize(
    "encoded",
    [
        "pbkdf2_sha256$5000001$oldsalt12345$z0FGrfmqsSyMSJcp8tehNHNwij3XCBjaqKNMIy28ILM=",
        "pbkdf2_sha256$999999999999$oldsalt12345$z0FGrfmqsSyMSJcp8tehNHNwij3XCBjaqKNMIy28ILM=",
        "pbkdf2:sha512:100000000$salt$" + "ab" * 64,
        "scrypt$1048576$salt$8$1$" + "A" * 86 + "==",
        "scrypt$262144$salt$8$16$" + "A" * 86 + "==",
        "scrypt:2:1:17$salt$" + "ab" * 64,
        "scrypt:32767:8:1$salt$" + "ab" * 64,
        "scrypt:1:8:1$salt$" + "ab" * 64,
        "$2b$16" + BCRYPT[6:],
        "$2b$31" + BCRYPT[6:],
        "$2b$99" + BCRYPT[6:],
        "bcrypt_sha256$$2b$31" + BCRYPT[6:],
        "argon2$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdA",
    ],
)
def test_a_hash_beyond_the_limits_is_refused_before_it_is_computed(hasher: Argon2Hasher, encoded: str) -> None:
    assert parse_hash(encoded) is None
    assert hasher.verify(encoded, "violet umbrella 7 o clock") == NO
    assert hasher.unusable_hashes == 1


@pytest.mark.parametrize(
    "encoded",
    [
        # A digest of one byte would match each password in 256.
        PBKDF2 + "eg==",
        PBKDF2 + "z0FGrfmqsSyMSJcp8tehNHNwij3XCBjaqKNMIy28IL==",
        PBKDF2 + "z0FGrfmqsSyMSJcp8tehNHNwij3XCBjaqKNMIy28ILMA=",
        PBKDF2 + "!" * 44,
        "pbkdf2:sha256:1000$salt$" + "ab" * 20,
        "pbkdf2:md5:1000$salt$" + "ab" * 16,
        "scrypt:16384:8:1$salt$" + "ab" * 32,
        "scrypt$16384$salt$8$1$" + "A" * 43 + "=",
        "$2x$10" + BCRYPT[6:],
        "$2b$03" + BCRYPT[6:],
        "$2b$\u0661\u0660" + BCRYPT[6:],
        "$2b$10$" + "a" * 53,
        BCRYPT + "\n",
        "md5$CbfSGmBt6cgAJwFTDmEQ3y$310a8ea2473573fc2e428d23c65310f5",
        "e99a18c428cb38d5f260853678922e03",
        "pbkdf2_sha256$1000$" + "s" * 100_000_000,
        "\ud800",
    ],
    ids=lambda each: each[:40].encode("unicode_escape").decode(),
)
def test_an_unsupported_hash_never_matches_and_is_counted(hasher: Argon2Hasher, encoded: str) -> None:
    assert hasher.verify(encoded, "violet umbrella 7 o clock") == NO
    assert hasher.unusable_hashes == 1


@pytest.mark.parametrize("encoded", [None, "", "!", VECTORS["refused"][1]])
def test_an_account_without_a_password_never_matches_and_is_not_counted(
    hasher: Argon2Hasher, encoded: str | None
) -> None:
    for password in ("violet umbrella 7 o clock", "!", ""):
        assert hasher.verify(encoded, password) == NO
    assert hasher.unusable_hashes == 0


def test_a_missing_package_is_logged_once_with_the_command_that_installs_it(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    table = HashTable(samples=[BCRYPT])
    other = Argon2Hasher(CHEAP, threads=1, table=table)
    with caplog.at_level(logging.ERROR, "keyturn"):
        for each in (BCRYPT, "bcrypt$" + BCRYPT, "bcrypt_sha256$" + BCRYPT):
            assert hasher.verify(each, "violet umbrella 7 o clock") == NO
    (line,) = caplog.messages
    assert "pip install '.[bcrypt]'" in line
    assert BCRYPT not in caplog.text
    assert hasher.unusable_hashes == 3
    assert other.verify(None, "guess") == NO
    other.close()


@pytest.mark.parametrize("error", [ValueError("memory limit exceeded"), MemoryError()])
def test_scrypt_without_memory_is_an_overload(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def starve(*_: object, **__: object) -> bytes:
        raise error

    monkeypatch.setattr(hashlib, "scrypt", starve)
    with pytest.raises(Overloaded):
        hasher.verify("scrypt:16384:8:1$salt$" + "ab" * 64, "guess")


_COSTS = st.sampled_from(["0", "1", "08", "1000", "-1", "99999999999", "1e3", ""])
_TEXTS = st.sampled_from(["salt", "", "$", "a" * 22, "A" * 43 + "=", "ab" * 32, "ab" * 64, "\x00", "é"])


@given(
    st.sampled_from(["pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "bcrypt_sha256", "argon2", "$2b", "scrypt:16"]),
    st.lists(st.one_of(_COSTS, _TEXTS), max_size=6),
    st.sampled_from("$:"),
)
def test_any_text_like_a_hash_is_parsed_or_refused(name: str, fields: list[str], separator: str) -> None:
    encoded = separator.join([name, *fields])
    stored = parse_hash(encoded)
    assert stored is None or (len(encoded) <= MAX_HASH_LENGTH and len(stored.digest) >= 20)
    assert stored is None or stored.imitate().cost == stored.cost
