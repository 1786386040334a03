"""Payload guard: refuses claims that do not belong in an access token, because every holder can read the payload.

A payload is encoded, not encrypted (RFC 7519 section 12, RFC 8725 section 3.12; CWE-522). The guard detects secrets
put there by accident: a user record, a password hash, a key. It protects against mistakes, not against a developer
who hides a secret on purpose.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple, NoReturn, cast

from keyturn.core.claims import RESERVED_CLAIMS
from keyturn.errors import PayloadRefused

MAX_PAYLOAD_CHARS: Final = 2048
"""Limit for an application's own claims, in characters of JSON: every request carries the token in a header."""

MAX_DEPTH: Final = 5
MAX_NODES: Final = 256

_Path = tuple[str, ...]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_FORMS = frozenset(
    ("hash", "hashed", "digest", "encrypted", "plain", "plaintext", "text", "value", "raw", "base", "hex", "pem")
)
_SECRET_TEXT = re.compile(
    r"(^|.*_)(passw(or)?d|pass(phrase|code)|pwd|secret|(api|private|secret|access|signing|encryption|auth)_?key"
    r"|token|mnemonic)s?"
)
_SECRET_SCALAR = re.compile(r"(^|.*_)(cvv|cvc|ssn|social_security(_number)?|t?otp|pin|(credit_?)?card(_?number)|pan)")
_SECRET_LIST = re.compile(r"(^|.*_)(password|passwd|(recovery|backup)_code|(api|private|access)_?key|secret_value)s?")

_PERSONAL: Final = (
    frozenset(("email", "emailaddress", "mail")),
    frozenset(("phone", "phonenumber", "mobile", "telephone")),
    frozenset(("address", "street", "streetaddress", "postalcode", "zip", "zipcode", "city")),
    frozenset(("birthdate", "birthday", "dob", "dateofbirth")),
    frozenset(("firstname", "givenname")),
    frozenset(("lastname", "familyname", "surname")),
    frozenset(("gender", "sex")),
    frozenset(("nationalid", "taxid", "passport", "iban")),
)
_PRIVATE_JWK = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"))


class _SecretPattern(NamedTuple):
    name: str
    advice: str
    pattern: re.Pattern[str]


_SECRET_PATTERNS: Final = (
    _SecretPattern(
        "a password hash",
        "keep it in the account store, where only the login reads it",
        re.compile(
            r"\$argon2(id|i|d)\$|\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$scrypt\$|\$7\$[./A-Za-z0-9]{11}|scrypt:\d+:\d+:\d+\$"
            r"|pbkdf2:sha\d+(:\d+)?\$|\$pbkdf2(-sha\d+)?\$|(pbkdf2_sha\d+|bcrypt|bcrypt_sha256|argon2|scrypt|md5)\$[^$]+\$"
            r"|\$[156]\$[^$]+\$[./A-Za-z0-9]{22,86}|\$(y|gy)\$[./A-Za-z0-9]+\$|\{(SSHA|SHA|SMD5|CRYPT)\d*\}"
        ),
    ),
    _SecretPattern(
        "a key or certificate in PEM",
        "store the name of the key (kid) and fetch it where it is needed",
        re.compile(r"-----BEGIN [A-Z0-9 ]+-----|AGE-SECRET-KEY-1|PuTTY-User-Key-File-"),
    ),
    _SecretPattern(
        "one of Keyturn's own credentials",
        "store the session id (sid), which is in every token already",
        re.compile(r"(?<![A-Za-z0-9])kt_[a-z]+_[A-Za-z0-9_-]{22}\."),
    ),
    _SecretPattern(
        "another signed token",
        "store what you need to know from it, not the token",
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.|(?i:^(bearer|basic)\s+\S{8,}$)"),
    ),
    _SecretPattern(
        "an API key",
        "keep it in a secret store and put its name here",
        re.compile(
            r"(?<![A-Za-z0-9])((AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}"
            r"|glpat-[A-Za-z0-9_-]{20}|[sr]k_(live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{16,}|xox[a-z]-[A-Za-z0-9-]{10,}"
            r"|xapp-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"
            r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|sk-[A-Za-z0-9_-]{20,}|SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"
            r"|hf_[A-Za-z0-9]{30,}|dop_v1_[a-f0-9]{64})|hooks\.slack\.com/services/"
        ),
    ),
    _SecretPattern(
        "a URL with a password in it",
        "store the URL without its user part",
        re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@?#]*:[^/\s@?#]+@"),
    ),
)

_CARD_LIKE = re.compile(
    r"(?<![\w+.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})"
    r"(?!\w|[ .-]\d)"
)
_CARD_NUMBER = re.compile(
    r"4(\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(0[0-5]|[68]\d)\d{11}|35(2[89]|[3-8]\d)\d{12,15}|6(011|5\d\d|4[4-9]\d)\d{12,15}|62\d{14,17}"
    r"|(5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"
)
"""Card numbers by issuer prefix and length: Visa, Mastercard (both ranges), American Express, Diners, JCB, Discover,
UnionPay, Maestro."""


def guard_payload(claims: Mapping[str, object]) -> None:
    """Check an application's own claims before they go into an access token.

    Raises ``PayloadRefused``, naming the claim and what to store instead, for reserved names, names or values that
    look like secrets, whole user records, values that JSON does not have, and claims beyond ``MAX_PAYLOAD_CHARS``
    characters, ``MAX_DEPTH`` levels or ``MAX_NODES`` values.
    """
    for path, value in _walk(dict(claims)):
        if isinstance(value, dict):
            _guard_mapping(path, cast("dict[object, object]", value))
        elif isinstance(value, str):
            _guard_text(path, value)
        else:
            _guard_scalar(path, value)
    size = len(json.dumps(dict(claims), ensure_ascii=False, separators=(",", ":")))
    if size > MAX_PAYLOAD_CHARS:
        _refuse(
            (), f"has {size} characters of JSON, of at most {MAX_PAYLOAD_CHARS}", "store a reference and look it up"
        )


def _refuse(path: _Path, problem: str, advice: str) -> NoReturn:
    raise PayloadRefused(f"claim {'.'.join(path)[:200] or '(all)'!r} {problem}; {advice}")


def _walk(claims: dict[str, object]) -> Iterator[tuple[_Path, object]]:
    """Yield every value of the structure with its path, outermost first. The limits apply before a value is checked."""
    queue: list[tuple[_Path, object]] = [((), claims)]
    for path, value in queue:
        yield path, value
        queue.extend(((*path, name), each) for name, each in _members(value))
        if len(queue) > MAX_NODES or len(path) > MAX_DEPTH:
            _refuse(path, f"has more than {MAX_NODES} values or {MAX_DEPTH} levels", "store a reference and look it up")


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from islice(cast("dict[str, object]", value).items(), MAX_NODES)
    elif isinstance(value, list | tuple):
        items = islice(cast("list[object]", value), MAX_NODES)
        yield from ((str(index), each) for index, each in enumerate(items))


def _guard_mapping(path: _Path, mapping: dict[object, object]) -> None:
    for name, value in mapping.items():
        if not isinstance(name, str):
            _refuse(path, f"has a key of type {type(name).__name__}", "use text for keys, as JSON does")
        _guard_text((*path, "(a name)"), name)  # the name itself may be the secret: never put it in the message
        if not path and name in RESERVED_CLAIMS:
            _refuse((name,), "is reserved for Keyturn", "choose another name")
        if _is_secret_name(name, value):
            _refuse((*path, name), "has the name of a secret", "keep it in a store and put its id here")
    if "kty" in mapping and _PRIVATE_JWK & mapping.keys():
        _refuse(path, "is a private key (JWK)", "store the name of the key (kid)")
    _guard_personal_data(path, mapping)


def _is_secret_name(name: str, value: object) -> bool:
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _FORMS or words[-1].isdigit()):
        words.pop()
    base_name = "_".join(words)
    if isinstance(value, str):
        return bool(value) and bool(_SECRET_TEXT.fullmatch(base_name) or _SECRET_SCALAR.fullmatch(base_name))
    if isinstance(value, list | tuple):
        return value not in ([], ()) and _SECRET_LIST.fullmatch(base_name) is not None
    # `otp: true` is a flag, `token_version: 3` and `max_tokens: 100` are counts; `cvv: 123` is a secret.
    return isinstance(value, int) and not isinstance(value, bool) and _SECRET_SCALAR.fullmatch(base_name) is not None


def _guard_personal_data(path: _Path, mapping: dict[object, object]) -> None:
    names = {str(name).lower().replace("_", "").replace("-", "") for name in mapping if mapping[name] is not None}
    kinds = [kind for kind in _PERSONAL if kind & names]
    if len(kinds) >= 3:
        _refuse(path, "looks like a whole user record", "`sub` names the person; look the rest up by it")


def _guard_text(path: _Path, text: str) -> None:
    if len(text) > MAX_PAYLOAD_CHARS:
        _refuse(path, f"has {len(text)} characters, of at most {MAX_PAYLOAD_CHARS}", "store a reference and look it up")
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        _refuse(path, "contains a lone surrogate", "use text that UTF-8 can encode")
    for secret in _SECRET_PATTERNS:
        if secret.pattern.search(text):
            _refuse(path, f"looks like {secret.name}", secret.advice)
    if any(_is_card(match[0]) for match in _CARD_LIKE.finditer(text)):
        _refuse(path, "looks like a card number", "store its last four digits or your payment provider's id of it")


def _guard_scalar(path: _Path, value: object) -> None:
    if value is None or isinstance(value, bool | list | tuple):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            _refuse(path, "is not a finite number", "JSON has finite numbers only (RFC 8259 section 6)")
        return
    if not isinstance(value, int):
        _refuse(
            path,
            f"is a {type(value).__name__}, which JSON does not have",
            "use text, numbers, booleans, lists or objects",
        )
    if not -(2**63) <= value < 2**64:
        _refuse(path, "does not fit 64 bits", "write it as text")
    if _is_card(str(value)):
        _refuse(path, "looks like a card number", "store its last four digits or your payment provider's id of it")


def _is_card(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    return _CARD_NUMBER.fullmatch(digits) is not None and _has_luhn_checksum(digits)


def _has_luhn_checksum(digits: str) -> bool:
    # ISO/IEC 7812-1 annex B: double every second digit from the right, then add up the digits of the products.
    doubled = [sum(divmod(2 * int(each), 10)) for each in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
