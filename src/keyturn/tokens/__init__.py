"""Strict compact JWS and JWK on `cryptography` primitives, the signing key set and its rollover.

Only this package handles key material. Tokens are refused with TokenMalformed or TokenInvalid (including its subclass
UnknownKey), keys with ConfigurationError.
"""

from keyturn.core.base64url import encode_base64url
from keyturn.tokens.algorithms import ALGORITHMS
from keyturn.tokens.encoding import decode_base64url, decode_object
from keyturn.tokens.hmac_secrets import secret_problem
from keyturn.tokens.jws import MAX_TOKEN_BYTES, sign_compact, verify_compact
from keyturn.tokens.key_encryption import KeyEncryptor
from keyturn.tokens.keys import SigningKey, VerifyingKey
from keyturn.tokens.keyset import KeySet
from keyturn.tokens.rollover import (
    KeyState,
    RolloverPolicy,
    ScheduledKey,
    SigningKeySet,
    next_active_at,
    next_rollover_at,
    states,
)

__all__ = [
    "ALGORITHMS",
    "MAX_TOKEN_BYTES",
    "KeyEncryptor",
    "KeySet",
    "KeyState",
    "RolloverPolicy",
    "ScheduledKey",
    "SigningKey",
    "SigningKeySet",
    "VerifyingKey",
    "decode_base64url",
    "decode_object",
    "encode_base64url",
    "next_active_at",
    "next_rollover_at",
    "secret_problem",
    "sign_compact",
    "states",
    "verify_compact",
]
