"""Values that occur nowhere else, and where they were found."""

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

PASSWORD = "canary-pässword grows feathers"
NEW_PASSWORD = "canary-renewed sings at dusk"
WRONG = "canary-wrong guess flies away"


def spellings(secret: str) -> set[bytes]:
    """As it is, as JSON, percent-encoded, as Python shows it, and in both base64s."""
    octets = secret.encode()
    shown = {octets, json.dumps(secret)[1:-1].encode(), quote(secret).encode(), repr(secret)[1:-1].encode()}
    return shown | {b64encode(octets).rstrip(b"="), urlsafe_b64encode(octets).rstrip(b"="), octets.hex().encode()}


def canaries_in(haystack: bytes, *secrets: str) -> list[str]:
    return [secret for secret in secrets if any(each in haystack for each in spellings(secret))]
