"""Signing: the issuer's key ring, and the generator of its signing keys."""

import secrets
from collections.abc import Callable, Mapping, Sequence

import msgspec

from keyturn.core.claims import ACCESS_TYPE, AccessClaims
from keyturn.core.types import Instant
from keyturn.ports import StoredKey
from keyturn.tokens import KeyEncryptor, ScheduledKey, SigningKey, SigningKeySet, sign_compact, verify_compact
from keyturn.verifier.claims import read_claims


class KeyRing:
    """The ``Signer`` port over the stored keys, decrypted by ``encryptor``.

    ``retired_seconds``: how long a retired key still verifies (see ``RolloverPolicy``).
    """

    def __init__(self, encryptor: KeyEncryptor, retired_seconds: int) -> None:
        self._encryptor = encryptor
        self._retired_seconds = retired_seconds
        self._signing_keys: dict[str, SigningKey] = {}
        self._keys = SigningKeySet((), retired_seconds)

    @property
    def revision(self) -> object:
        """The present keys: another object after each change."""
        return self._keys

    def load(self, stored: Sequence[StoredKey]) -> None:
        """Replace the keys with ``stored``. Raises ``ConfigurationError`` if the secrets do not decrypt one of them."""
        if {each.kid for each in stored} == self._signing_keys.keys():
            return
        signing_keys = {each.kid: self._signing_keys.get(each.kid) or self._decrypt(each) for each in stored}
        scheduled = [ScheduledKey(signing_keys[each.kid], each.serial, each.active_at) for each in stored]
        self._signing_keys, self._keys = signing_keys, SigningKeySet(scheduled, self._retired_seconds)

    def sign(self, claims: Mapping[str, object], now: Instant, typ: str = ACCESS_TYPE) -> str:
        """Sign ``claims`` with the active key, as a compact JWS of type ``typ`` for the audience in ``claims``."""
        return sign_compact(msgspec.json.encode(claims), self._keys.active(now), typ)

    def verify(self, token: str, now: Instant) -> AccessClaims:
        """Return the claims of an access token signed by these keys. Raises ``TokenMalformed``, ``TokenInvalid``."""
        # RFC 9068 section 4: another kind of JWT under the same key is not an access token.
        return read_claims(verify_compact(token, self._keys.published(now), ACCESS_TYPE))

    def jwks(self, now: Instant) -> dict[str, object]:
        """Return the public key set (RFC 7517)."""
        return dict(self._keys.published(now).to_jwks())

    def states(self, now: Instant) -> dict[int, str]:
        """Return the state of each key by serial: next, active or retired."""
        return {serial: state.value for serial, state in self._keys.states(now).items()}

    def _decrypt(self, stored: StoredKey) -> SigningKey:
        return self._encryptor.decrypt_key(stored.encrypted, kid=stored.kid)


class SigningKeyGenerator:
    """Generates signing keys and encrypts them for storage. ``randomness``: source of kids, nonces and HMAC secrets."""

    def __init__(self, encryptor: KeyEncryptor, randomness: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._encryptor = encryptor
        self._randomness = randomness

    def make(self, algorithm: str, serial: int, active_at: Instant) -> StoredKey:
        """Generate a key. Its kid reveals nothing but its serial."""
        kid = f"{serial}-{self._randomness(6).hex()}"
        key = SigningKey.generate(algorithm, kid, randomness=self._randomness)
        encrypted = self._encryptor.encrypt_key(key, nonce=self._randomness(12))
        return StoredKey(kid, algorithm, serial, active_at, encrypted)
