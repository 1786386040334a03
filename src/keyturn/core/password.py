"""Passwords: one normalisation for every use, and the rules for choosing one.

Sources: NIST SP 800-63B-4 section 3.1.1.2 (length, blocklist, no composition rules, no truncation) and RFC 8265
section 4.2 (OpaqueString).
"""

import unicodedata
from collections.abc import Collection

from keyturn.core.password_strength import Blocklist
from keyturn.core.policy import PasswordPolicy
from keyturn.errors import PasswordRejected

MAX_PASSWORD_OCTETS = 4096
"""Longest password in bytes of UTF-8. Longer ones are refused, never truncated."""


MAX_COMBINING_MARKS = 30
"""Most combining marks in a row (UAX 15, Stream-Safe Text Format): normalisation sorts them in quadratic time."""


def prepare_password(password: str) -> str:
    """Return ``password`` in the form that is measured, compared and hashed: OpaqueString of RFC 8265 section 4.2.

    Every kind of space becomes U+0020 and the text is normalised to NFC; case and width are kept. Raises
    ``PasswordRejected`` for lone surrogates, control characters, more than 30 combining marks in a row and more than
    4096 octets.
    """
    if len(password) > MAX_PASSWORD_OCTETS:
        raise PasswordRejected(f"A password has at most {MAX_PASSWORD_OCTETS} bytes.")
    if _longest_mark_run(password) > MAX_COMBINING_MARKS:
        raise PasswordRejected(f"Use at most {MAX_COMBINING_MARKS} combining marks in a row.")
    with_plain_spaces = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    prepared = unicodedata.normalize("NFC", with_plain_spaces)
    # Cc includes NUL, which truncates C strings. Cs are lone surrogates, which cannot be encoded.
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in prepared):
        raise PasswordRejected("Do not use control characters or incomplete characters.")
    if len(prepared.encode()) > MAX_PASSWORD_OCTETS:
        raise PasswordRejected(f"A password has at most {MAX_PASSWORD_OCTETS} bytes.")
    return prepared


def _longest_mark_run(text: str) -> int:
    runs = [0]
    for each in text:
        if unicodedata.combining(each):
            runs[-1] += 1
        elif runs[-1]:
            runs.append(0)
    return max(runs)


def validate_password(
    password: str,
    identifier: str,
    policy: PasswordPolicy,
    blocklist: Blocklist,
    service_names: Collection[str] = (),
) -> None:
    """Raise ``PasswordRejected``, with a reason that is safe to show, if the rules forbid ``password``.

    ``identifier``: of the account. ``service_names``: names of the service. Lengths are in code points.
    """
    prepared = prepare_password(password)
    if len(prepared) < policy.minimum:
        raise PasswordRejected(f"Use at least {policy.minimum} characters; several unrelated words work well.")
    if len(prepared) > policy.maximum:
        raise PasswordRejected(f"Use at most {policy.maximum} characters.")
    if blocklist.contains(prepared):
        raise PasswordRejected("This is a common password. Choose another.")
    if blocklist.is_guessable(prepared):
        raise PasswordRejected("This is a variation of a common password. Choose another.")
    if blocklist.is_guessable(prepared, context=(identifier, *service_names)):
        raise PasswordRejected("This is based on your own name or the name of this service. Choose another.")
