"""Key encryption: a key is decrypted only with its secret, for its kid, and unchanged."""

import pickle

import pytest

from keyturn.errors import ConfigurationError
from keyturn.tokens import KeyEncryptor, SigningKey

SECRET, OTHER = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"
NONCE = bytes(range(12))


def test_a_sealed_key_opens(key: SigningKey) -> None:
    sealed = KeyEncryptor(SECRET).encrypt_key(key, nonce=NONCE)
    assert key.private_bytes() not in sealed
    opened = KeyEncryptor(SECRET).decrypt_key(sealed, kid=key.kid)
    assert (opened.algorithm, opened.kid, opened.private_bytes()) == (key.algorithm, key.kid, key.private_bytes())


def test_the_previous_secret_decrypts_its_keys() -> None:
    sealed = KeyEncryptor(OTHER).encrypt(b"private", kid="k", nonce=NONCE)
    assert KeyEncryptor(SECRET, OTHER).decrypt(sealed, kid="k") == b"private"
    with pytest.raises(ConfigurationError, match="KEYTURN_SECRET_PREVIOUS"):
        KeyEncryptor(SECRET).decrypt(sealed, kid="k")


def test_a_sealed_key_opens_for_no_other_kid() -> None:
    sealed = KeyEncryptor(SECRET).encrypt(b"private", kid="k", nonce=NONCE)
    with pytest.raises(ConfigurationError, match="'other' cannot be decrypted"):
        KeyEncryptor(SECRET).decrypt(sealed, kid="other")


def test_any_change_is_noticed() -> None:
    sealed = KeyEncryptor(SECRET).encrypt(b"private", kid="k", nonce=NONCE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(ConfigurationError, match="cannot be decrypted"):
            KeyEncryptor(SECRET).decrypt(bytes(changed), kid="k")
    for length in range(len(sealed)):
        with pytest.raises(ConfigurationError, match="cannot be decrypted"):
            KeyEncryptor(SECRET).decrypt(sealed[:length], kid="k")


def test_the_nonce_is_an_argument_and_of_one_length() -> None:
    vault = KeyEncryptor(SECRET)
    assert vault.encrypt(b"private", kid="k", nonce=NONCE) == vault.encrypt(b"private", kid="k", nonce=NONCE)
    assert vault.encrypt(b"private", kid="k", nonce=NONCE) != vault.encrypt(b"private", kid="k", nonce=NONCE[::-1])
    for nonce in (b"", NONCE[:-1], NONCE + b"\0"):
        with pytest.raises(ConfigurationError, match="nonce"):
            vault.encrypt(b"private", kid="k", nonce=nonce)


def test_short_secrets_are_refused() -> None:
    for each in ((SECRET[:-1],), (SECRET, b"short")):
        with pytest.raises(ConfigurationError, match="32 bytes"):
            KeyEncryptor(*each)


def test_a_key_encryptor_shows_no_secret() -> None:
    vault = KeyEncryptor(SECRET, OTHER)
    assert repr(vault) == "KeyEncryptor(secret=**********, previous=1)"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(vault)
