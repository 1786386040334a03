"""Keys: one algorithm each, checked and precomputed on creation, with no secret in their ``repr``."""

import secrets
from collections.abc import Callable
from typing import NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from keyturn.errors import ConfigurationError
from keyturn.tokens.algorithms import (
    Hmac,
    PrivateMaterial,
    PublicMaterial,
    find_algorithm,
    generate_key,
    signer_for,
    verifier_for,
)
from keyturn.tokens.hmac_secrets import decodings
from keyturn.tokens.jwk import members_of, published_forms, thumbprint_of
from keyturn.tokens.key_checks import MAX_RSA_BITS, MIN_RSA_BITS, key_problem

MAX_KID = 256
"""Longest ``kid`` in characters, so that an oversized one never reaches a lookup."""


class VerifyingKey:
    """Key that verifies signatures of one algorithm. For HMAC it is the shared secret, and is never published.

    ``kid`` defaults to the RFC 7638 thumbprint. Raises :class:`ConfigurationError` for a weak or mismatched key.
    """

    __slots__ = ("_public", "algorithm", "check", "kid")

    def __init__(self, algorithm: str, public: PublicMaterial, kid: str | None = None) -> None:
        implementation = find_algorithm(algorithm)
        check = verifier_for(implementation, public)
        if problem := key_problem(implementation, public):
            raise ConfigurationError(f"the {algorithm} key is refused: {problem}")
        self.algorithm, self.kid, self._public = algorithm, _kid_or_thumbprint(kid, public), public
        self.check = check

    @property
    def symmetric(self) -> bool:
        """True for HMAC, where verifying takes the signing secret: such a key is never published."""
        return isinstance(self._public, bytes)

    @property
    def thumbprint(self) -> str:
        """SHA-256 thumbprint of the key (RFC 7638)."""
        return thumbprint_of(self._public)

    def is_source_of(self, secret: "VerifyingKey") -> bool:
        """Return True if the HMAC key ``secret`` contains a public number of this key (RFC 8725 section 2.1)."""
        if not isinstance(secret._public, bytes) or self.symmetric:
            return False
        forms = decodings(secret._public)
        return any(public in form for public in published_forms(self._public) for form in forms)

    def to_jwk(self) -> dict[str, str]:
        """Return the public JWK (RFC 7517 section 4). Raises :class:`ConfigurationError` for an HMAC key."""
        if self.symmetric:
            raise ConfigurationError(f"{self!r} is a shared secret and cannot be published; use RS256, ES256 or EdDSA")
        return {**members_of(self._public), "alg": self.algorithm, "kid": self.kid, "use": "sig"}

    def __repr__(self) -> str:
        return f"VerifyingKey({self.algorithm!r}, kid={self.kid!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys cannot be pickled; export a JWK, or encrypt private_bytes with a KeyEncryptor")


class SigningKey:
    """Private key, or HMAC secret, that signs with one algorithm.

    ``kid`` defaults to the RFC 7638 thumbprint. Raises :class:`ConfigurationError` for a weak or mismatched key.
    """

    __slots__ = ("_private", "algorithm", "kid", "sign", "verifying_key")

    def __init__(self, algorithm: str, private: PrivateMaterial, kid: str | None = None) -> None:
        sign = signer_for(find_algorithm(algorithm), private)
        public = private if isinstance(private, bytes) else private.public_key()
        self.verifying_key = VerifyingKey(algorithm, public, kid)
        self.algorithm, self.kid, self._private = algorithm, self.verifying_key.kid, private
        self.sign = sign

    @classmethod
    def generate(
        cls,
        algorithm: str = "RS256",
        kid: str | None = None,
        *,
        rsa_bits: int = MIN_RSA_BITS,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> "SigningKey":
        """Generate a key. ``rsa_bits``: modulus length, 2048 to 8192. ``randomness``: source of HMAC secrets."""
        if not MIN_RSA_BITS <= rsa_bits <= MAX_RSA_BITS:
            raise ConfigurationError(f"rsa_bits is {rsa_bits}; choose {MIN_RSA_BITS} to {MAX_RSA_BITS}")
        return cls(algorithm, generate_key(find_algorithm(algorithm), rsa_bits, randomness), kid)

    @classmethod
    def from_private_bytes(cls, algorithm: str, private: bytes, kid: str | None = None) -> "SigningKey":
        """Load a key from its :meth:`private_bytes`: PKCS#8 DER, or for HMAC the secret itself."""
        if isinstance(find_algorithm(algorithm), Hmac):
            return cls(algorithm, bytes(private), kid)
        return cls(algorithm, _load_private_key(private), kid)

    def private_bytes(self) -> bytes:
        """Return the unencrypted private key: PKCS#8 DER (RFC 5958), or the HMAC secret. Encrypt it before storage."""
        if isinstance(self._private, bytes):
            return self._private
        return self._private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def symmetric(self) -> bool:
        """True for an HMAC secret, which suits a single server only."""
        return self.verifying_key.symmetric

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm!r}, kid={self.kid!r}, private=**********)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys cannot be pickled; encrypt private_bytes with a KeyEncryptor")


def _load_private_key(private: bytes) -> PrivateMaterial:
    problem = ConfigurationError("the private key is not PKCS#8 DER of a supported type; export it again")
    try:
        key = load_der_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise problem from None
    if not isinstance(key, PrivateMaterial):
        raise problem
    return key


def _kid_or_thumbprint(kid: str | None, public: PublicMaterial) -> str:
    if kid is None:
        return thumbprint_of(public)
    if not kid or len(kid) > MAX_KID:
        raise ConfigurationError(f"a kid must have 1 to {MAX_KID} characters; omit it to use the key's thumbprint")
    return kid
