"""Key sets: the keys a verifier trusts, and their public JWK Set (RFC 7517 section 5)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from keyturn.errors import ConfigurationError, TokenMalformed
from keyturn.tokens.encoding import decode_object
from keyturn.tokens.header import BoundHeader
from keyturn.tokens.jwk import PRIVATE_MEMBERS, algorithm_of, material_of
from keyturn.tokens.keys import MAX_KID, SigningKey, VerifyingKey

MAX_JWKS_BYTES = 262_144
MAX_KEYS = 100
_MAX_HEADERS = 64


class KeySet:
    """Immutable set of keys by ``kid``.

    HMAC secrets may be members (one server that signs and verifies); they are never published. Raises
    :class:`ConfigurationError` when two keys share a ``kid``, or a secret contains a public key of the set.
    """

    __slots__ = ("_by_kid", "_sole_keys", "headers")

    def __init__(self, keys: Iterable[SigningKey | VerifyingKey] = ()) -> None:
        members = [key.verifying_key if isinstance(key, SigningKey) else key for key in keys]
        self._by_kid = {key.kid: key for key in members}
        if duplicates := _duplicates(key.kid for key in members):
            raise ConfigurationError(f"two keys have the kid {duplicates[0]!r}; give each key its own kid")
        for secret in members:
            if secret.symmetric and any(key.is_source_of(secret) for key in members):
                raise ConfigurationError(f"{secret!r} contains a public key of the same set; make a random secret")
        uses = Counter(key.algorithm for key in members)
        self._sole_keys = {key.algorithm: key for key in members if uses[key.algorithm] == 1}
        self.headers: dict[bytes, BoundHeader] = {}
        """Cache of validated headers by their encoded form; for :mod:`keyturn.tokens.jws`."""

    @classmethod
    def from_jwks(
        cls,
        document: bytes | str | Mapping[str, object],
        *,
        max_bytes: int = MAX_JWKS_BYTES,
        max_keys: int = MAX_KEYS,
    ) -> "KeySet":
        """Parse a JWK Set; keys that Keyturn does not support are skipped (RFC 7517 section 5).

        Raises :class:`ConfigurationError`, listing every problem, for a document that is malformed, too large, repeats
        a ``kid``, or contains private members, symmetric members or a weak key.
        """
        entries = _entries(_parse_document(document, max_bytes), max_keys)
        if problems := [*_secret_problems(entries), *_kid_problems(entries)]:
            raise ConfigurationError(*problems)
        return cls(_verifying_keys(entries))

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public JWK Set, without HMAC secrets."""
        return {"keys": [key.to_jwk() for key in self if not key.symmetric]}

    def find(self, kid: str) -> VerifyingKey | None:
        """Return the key with this ``kid``, or ``None``."""
        return self._by_kid.get(kid)

    def sole_key(self, algorithm: str) -> VerifyingKey | None:
        """Return the only key of ``algorithm``, for tokens without ``kid``; ``None`` if there is not exactly one."""
        return self._sole_keys.get(algorithm)

    def cache_header(self, encoded: bytes, header: BoundHeader) -> None:
        """Cache the header of a token with a valid signature. A full cache is cleared."""
        if len(self.headers) >= _MAX_HEADERS:
            self.headers.clear()
        self.headers[encoded] = header

    def __iter__(self) -> Iterator[VerifyingKey]:
        return iter(self._by_kid.values())

    def __len__(self) -> int:
        return len(self._by_kid)

    def __contains__(self, kid: object) -> bool:
        return kid in self._by_kid

    def __repr__(self) -> str:
        return f"KeySet({list(self)!r})"


def _parse_document(document: object, max_bytes: int) -> Mapping[str, object]:
    if isinstance(document, Mapping):
        return cast("Mapping[str, object]", document)
    try:
        octets = document.encode() if isinstance(document, str) else document
        if isinstance(octets, bytes):
            return decode_object(octets, max_bytes=max_bytes)
        problem = "it is not str, bytes or a mapping"
    except (TokenMalformed, UnicodeEncodeError) as error:
        problem = str(error)
    raise ConfigurationError(f"the JWK Set cannot be read: {problem}; fetch it again from the issuer's jwks_uri")


def _entries(document: Mapping[str, object], max_keys: int) -> list[Mapping[str, object]]:
    entries = document.get("keys")
    if not isinstance(entries, list | tuple):
        raise ConfigurationError("the JWK Set has no `keys` array (RFC 7517 section 5); check the jwks_uri")
    items = cast("list[object]", entries)
    if len(items) > max_keys:
        raise ConfigurationError(f"the JWK Set has {len(items)} keys, of at most {max_keys}")
    if not all(isinstance(entry, Mapping) for entry in items):
        raise ConfigurationError("the JWK Set has a key that is not a JSON object; check the jwks_uri")
    return cast("list[Mapping[str, object]]", items)


def _secret_problems(entries: list[Mapping[str, object]]) -> Iterator[str]:
    for entry in entries:
        private_members = PRIVATE_MEMBERS.intersection(entry)
        if private_members or entry.get("kty") == "oct":
            names = ", ".join(sorted(private_members)) or "oct"
            # A published secret is a leaked one (RFC 7517 section 9.2). Using the other keys would hide the leak.
            yield f"{_label(entry)} has private or symmetric members ({names}); replace it and publish public keys only"


def _kid_problems(entries: list[Mapping[str, object]]) -> Iterator[str]:
    kids = [entry["kid"] for entry in entries if "kid" in entry]
    for kid in kids:
        if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID:
            yield f"a kid of the JWK Set is not a string of 1 to {MAX_KID} characters"
    for kid in _duplicates(kid for kid in kids if isinstance(kid, str)):
        yield f"the JWK Set repeats the kid {kid!r}; give each key its own kid"


def _verifying_keys(entries: list[Mapping[str, object]]) -> list[VerifyingKey]:
    keys: list[VerifyingKey] = []
    problems: list[str] = []
    for entry in entries:
        if (algorithm := algorithm_of(entry)) is None:
            continue
        try:
            keys.append(VerifyingKey(algorithm, material_of(entry), _kid(entry)))
        except ConfigurationError as error:
            problems.append(f"{_label(entry)}: {error}")
    if problems:
        raise ConfigurationError(*problems)
    return keys


def _kid(entry: Mapping[str, object]) -> str | None:
    kid = entry.get("kid")
    return kid if isinstance(kid, str) else None


def _label(entry: Mapping[str, object]) -> str:
    return f"the key with kid {str(entry['kid'])[:MAX_KID]!r}" if "kid" in entry else "a key without kid"


def _duplicates(kids: Iterable[str]) -> list[str]:
    return [kid for kid, times in Counter(kids).items() if times > 1]
