"""Keys: made, exported, named, and refused when they are weak. Attack keys are under tests/advisories."""

import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keyturn.errors import ConfigurationError
from keyturn.tokens import KeySet, SigningKey, VerifyingKey, sign_compact, verify_compact
from keyturn.tokens.key_checks import rsa_problem


def test_a_key_survives_export_and_import(key: SigningKey) -> None:
    again = SigningKey.from_private_bytes(key.algorithm, key.private_bytes(), key.kid)
    assert again.private_bytes() == key.private_bytes()
    assert verify_compact(sign_compact(b"{}", again), KeySet([key])) == b"{}"


def test_repr_shows_no_key_material(key: SigningKey) -> None:
    for shown in (repr(key), repr(key.verifying_key), repr(KeySet([key])), str(key)):
        assert key.kid in shown
        assert key.private_bytes().hex() not in shown
        assert repr(key.private_bytes()) not in shown
    assert "*****" in repr(key)


def test_keys_are_not_pickled(key: SigningKey) -> None:
    for secretive in (key, key.verifying_key):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secretive)


def test_the_default_kid_is_the_thumbprint_of_the_public_key(key: SigningKey) -> None:
    unnamed = SigningKey.from_private_bytes(key.algorithm, key.private_bytes())
    assert unnamed.kid == key.verifying_key.thumbprint
    assert len(unnamed.kid) == 43


@pytest.mark.parametrize("kid", ["", "k" * 257])
def test_a_kid_has_a_sane_length(every_key: dict[str, SigningKey], kid: str) -> None:
    with pytest.raises(ConfigurationError, match="kid"):
        SigningKey.from_private_bytes("EdDSA", every_key["EdDSA"].private_bytes(), kid)


@pytest.mark.parametrize("name", ["none", "None", "", "RS257", "rs256", "ES256K", "RSA-OAEP"])
def test_other_algorithms_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="choose one of"):
        SigningKey.generate(name)


def test_one_algorithm_per_key(every_key: dict[str, SigningKey]) -> None:
    """RFC 8725 section 3.1: no key material is taken for an algorithm of another kind or curve."""
    private = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS512"}
    for kind, name in private.items():
        for other in {"PS256", "ES256", "ES384", "EdDSA", "HS256"} - {name}:
            if (kind, other) in {("RSA", "PS256"), ("oct", "HS256")}:
                continue
            with pytest.raises(ConfigurationError):
                SigningKey(other, every_key[name]._private)
            with pytest.raises(ConfigurationError):
                VerifyingKey(other, every_key[name].verifying_key._public)


def test_rsa_length_can_be_chosen_within_bounds() -> None:
    for bits in (1024, 2047, 8193, 16384):
        with pytest.raises(ConfigurationError, match="rsa_bits"):
            SigningKey.generate("RS256", rsa_bits=bits)
    assert SigningKey.generate("RS256", rsa_bits=2056).verifying_key._public.key_size == 2056


def test_randomness_of_a_secret_is_an_argument() -> None:
    secret = bytes((i * 37 + 11) * (i + 3) % 251 for i in range(64))
    assert SigningKey.generate("HS256", randomness=lambda size: secret[:size]).private_bytes() == secret[:32]


def test_private_bytes_of_another_kind_are_refused() -> None:
    x = x25519.X25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for wrong in (b"", b"\x30\x00", b"not DER", x):
        with pytest.raises(ConfigurationError, match="PKCS#8"):
            SigningKey.from_private_bytes("EdDSA", wrong)


def test_private_bytes_of_another_algorithm_are_refused(every_key: dict[str, SigningKey]) -> None:
    with pytest.raises(ConfigurationError, match="RS256 needs a RSA key"):
        SigningKey.from_private_bytes("RS256", every_key["ES256"].private_bytes())


def test_a_curve_of_another_size_is_refused() -> None:
    for curve in (ec.SECP384R1(), ec.SECP256K1(), ec.BrainpoolP256R1()):
        with pytest.raises(ConfigurationError, match="requires P-256"):
            SigningKey("ES256", ec.generate_private_key(curve), "k")


def test_symmetric_keys_say_so_and_have_no_public_jwk(key: SigningKey) -> None:
    assert key.symmetric == key.algorithm.startswith("HS")
    if key.symmetric:
        with pytest.raises(ConfigurationError, match="cannot be published"):
            key.verifying_key.to_jwk()
    else:
        assert key.verifying_key.to_jwk()["alg"] == key.algorithm


def test_an_rsa_problem_names_the_remedy() -> None:
    sound = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    assert rsa_problem(sound.n, sound.e) is None
    for modulus, exponent in (
        (sound.n >> 1 | 1, 65537),
        (1 << 9000 | 1, 65537),
        (sound.n, 3),
        (sound.n, 65538),
        (sound.n, 2**64 + 1),
    ):
        problem = rsa_problem(modulus, exponent)
        assert problem
        assert "make a" in problem or "use at most" in problem
