"""Encryption of private keys at rest: signing takes both the store and the server secret.

AES-256-GCM (NIST SP 800-38D) under a key derived by HKDF-SHA-256 (RFC 5869) from the server secret. The ``kid`` and
the algorithm are authenticated: an encrypted key cannot replace another one or be used for another algorithm.
"""

from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keyturn.errors import ConfigurationError
from keyturn.tokens.keys import SigningKey

_NONCE_BYTES = 12
MIN_SECRET_BYTES = 32
_VERSION = b"\x01"
_PURPOSE = b"keyturn signing key vault v1"


class KeyEncryptor:
    """Encrypts keys under ``secret``; decrypts under it and under ``previous`` secrets.

    Each secret has at least 32 bytes. Raises :class:`ConfigurationError` for a shorter one.
    """

    __slots__ = ("_ciphers",)

    def __init__(self, secret: bytes, *previous: bytes) -> None:
        if any(len(each) < MIN_SECRET_BYTES for each in (secret, *previous)):
            raise ConfigurationError(f"a server secret must have at least {MIN_SECRET_BYTES} bytes; make a longer one")
        self._ciphers = [AESGCM(_derive(each)) for each in (secret, *previous)]

    def encrypt(self, private: bytes, *, kid: str, nonce: bytes) -> bytes:
        """Encrypt ``private`` for ``kid``. ``nonce``: 12 fresh random bytes, never reused (SP 800-38D section 8)."""
        if len(nonce) != _NONCE_BYTES:
            raise ConfigurationError(f"a nonce must have exactly {_NONCE_BYTES} random bytes, not {len(nonce)}")
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, private, kid.encode())

    def decrypt(self, encrypted: bytes, *, kid: str) -> bytes:
        """Decrypt the bytes that were encrypted for ``kid``. Raises :class:`ConfigurationError` if no secret fits."""
        version, nonce, ciphertext = encrypted[:1], encrypted[1 : 1 + _NONCE_BYTES], encrypted[1 + _NONCE_BYTES :]
        for cipher in self._ciphers if version == _VERSION and ciphertext else ():
            try:
                return cipher.decrypt(nonce, ciphertext, kid.encode())
            except InvalidTag:
                continue
        raise ConfigurationError(
            f"the signing key {kid!r} cannot be decrypted: another server secret encrypted it, or it was changed; "
            "set KEYTURN_SECRET to the secret of the other servers, or, during a rollover of the secret, "
            "KEYTURN_SECRET_PREVIOUS to the old one"
        )

    def encrypt_key(self, key: SigningKey, *, nonce: bytes) -> bytes:
        """Encrypt ``key`` together with its algorithm. ``nonce``: as for :meth:`encrypt`."""
        return self.encrypt(key.algorithm.encode() + b"\0" + key.private_bytes(), kid=key.kid, nonce=nonce)

    def decrypt_key(self, encrypted: bytes, *, kid: str) -> SigningKey:
        """Decrypt a key that :meth:`encrypt_key` encrypted. Raises :class:`ConfigurationError`."""
        algorithm, _, private = self.decrypt(encrypted, kid=kid).partition(b"\0")
        return SigningKey.from_private_bytes(algorithm.decode("latin-1"), private, kid)

    def __repr__(self) -> str:
        return f"KeyEncryptor(secret=**********, previous={len(self._ciphers) - 1})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a KeyEncryptor cannot be pickled; make one from the server secret")


def _derive(secret: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
