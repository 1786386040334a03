"""``keyturn inspect``: what a token or cookie holds, and whether this issuer accepts it."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from keyturn.cli.context import open_issuer
from keyturn.cli.output import DataDir, Json, console, print_lines, print_result, print_table, report_errors
from keyturn.errors import Refusal, TokenMalformed

if TYPE_CHECKING:
    from keyturn.issuer import Issuer

_TIMES = ("exp", "iat", "nbf", "auth_time")
_SEALED = "kt_"
_SESSION = "kt_session_"


@report_errors
def inspect(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Explain a token or cookie, which is read from standard input: arguments are in the history of a shell."""
    if sys.stdin.isatty():
        console.print("Paste a token or cookie, and press Ctrl-D:", highlight=False)
    text = sys.stdin.read(16_384).strip().removeprefix("Bearer ").strip()
    with open_issuer(data_dir) as issuer:
        verdict = _judge(issuer, text)
        contents = _contents(text)
    if as_json:
        print_result({"contents": contents, "verdict": verdict}, as_json, "")
        return
    print_table([{"part": name, "value": value} for name, value in contents.items()], as_json)
    print_lines([verdict], console)


def _judge(issuer: "Issuer", text: str) -> str:
    """Return whether a credential is accepted now."""
    if text.startswith(_SEALED) and not text.startswith(_SESSION):
        return "only /auth/token can check it, and using it would use it up"
    try:
        principal = issuer.verify(text)
    except Refusal as refusal:
        return f"refused: {refusal.code}: {refusal.detail or refusal.hint}"
    until = _time(principal.credential_expires_at)
    return f"accepted until {until}: subject {principal.subject}, session {principal.sid}"


def _contents(text: str) -> dict[str, str]:
    if text.startswith(_SEALED):
        kind, _, rest = text.removeprefix(_SEALED).partition("_")
        sid, _, counter = rest.partition(".")
        return {"kind": kind, "session": sid, "counter": counter.partition(".")[0]}
    return {name: _shown(name, value) for name, value in _claims(text).items()}


def _claims(text: str) -> dict[str, Any]:
    """Return header and claims. They are shown, and not trusted: ``_judge`` verifies them."""
    head, _, rest = text.partition(".")
    body, _, _ = rest.partition(".")
    try:
        return {**_part(head), **_part(body)}
    except (Refusal, ValueError):
        raise TokenMalformed("neither a JSON Web Token nor a value of Keyturn") from None


def _part(text: str) -> dict[str, object]:
    from keyturn.tokens.encoding import decode_base64url, decode_object

    return decode_object(decode_base64url(text.encode()))


def _shown(name: str, value: object) -> str:
    return _time(value) if name in _TIMES and isinstance(value, int) else str(value)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
