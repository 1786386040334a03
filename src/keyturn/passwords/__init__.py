"""Passwords: argon2id in a bounded thread pool, hashes of other software, and the rules for choosing a password.

Sources: OWASP Password Storage Cheat Sheet (memory 19 MiB, time cost 2, parallelism 1), RFC 9106, NIST SP 800-63B-4
section 3.1.1.2.
"""

from keyturn.passwords.argon2_hash import MAX_MEMORY_KIB, SALT_BYTES, Argon2Parameters
from keyturn.passwords.hashers import Argon2Hasher, AsyncArgon2Hasher, HashEncoding, HashTable
from keyturn.passwords.pool import NICENESS, default_hash_threads
from keyturn.passwords.rules import NistPasswordRules, load_blocklist

__all__ = [
    "MAX_MEMORY_KIB",
    "NICENESS",
    "SALT_BYTES",
    "Argon2Hasher",
    "Argon2Parameters",
    "AsyncArgon2Hasher",
    "HashEncoding",
    "HashTable",
    "NistPasswordRules",
    "default_hash_threads",
    "load_blocklist",
]
