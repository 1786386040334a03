"""Refusals of a request for what it asks or contains (status 400, 404 to 431)."""

from keyturn.errors.refusal import Refusal


class BadRequest(Refusal):
    code, status = "bad_request", 400
    hint = "The request is malformed; compare it with the API reference."


class InvalidMember(BadRequest):
    """A field of the body, form or query is missing or invalid.

    ``member``: name of the field; safe to show.
    ``expected``: its allowed values, which complete the sentence "`deliver` must be ...", or "`deliver` is missing;
    send ..." if the field ``is_missing``.
    """

    code = "invalid_member"
    hint = "The field named in `member` is missing or invalid."

    def __init__(self, member: str, expected: str = "", *, is_missing: bool = False) -> None:
        self.member = member
        problem = "is missing; send" if is_missing else "must be"
        hint = f"`{member}` {problem} {expected}." if expected else ""
        super().__init__(hint or member, hint=hint)


class UnsupportedGrantType(BadRequest):
    """RFC 6749 section 5.2."""

    code = "unsupported_grant_type"
    hint = "Send grant_type=refresh_token, the only grant type of this server."


class InvalidTarget(BadRequest):
    """RFC 8707 section 2."""

    code = "invalid_target"
    hint = "Each `resource` must be exactly an audience of this server that the login was granted."


class InvalidScope(BadRequest):
    """RFC 6749 section 5.2."""

    code = "invalid_scope"
    hint = "`scope` must be names separated by spaces; names that begin with keyturn: cannot be granted."


class NotFound(BadRequest):
    code, status = "not_found", 404
    hint = "There is nothing here; check the path."


class MethodNotAllowed(BadRequest):
    """``allow``: the value of the Allow header (RFC 9110 section 15.5.6)."""

    code, status = "method_not_allowed", 405
    hint = "This path does not take this method; see the Allow header."

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__(allow, hint=f"Use {' or '.join(allow.split(', '))} on this path.")


class RequestTimeout(BadRequest):
    code, status = "request_timeout", 408
    hint = "The request did not arrive in time; send it again."


class PayloadTooLarge(BadRequest):
    code, status = "payload_too_large", 413
    hint = "The request body is larger than this endpoint takes."


class HeadersTooLarge(BadRequest):
    """RFC 6585 section 5. ``hint`` names the headers and the limit."""

    code, status = "headers_too_large", 431
    hint = "The request headers are too large; send fewer or smaller ones."


class UnsupportedMediaType(BadRequest):
    """``expected``: the media type to send, or several with commas (RFC 9110 section 15.5.16)."""

    code, status = "unsupported_media_type", 415
    hint = "Send the body in the media type that this endpoint documents, in UTF-8 and without Content-Encoding."

    def __init__(self, expected: str, detail: str = "") -> None:
        self.expected = expected
        offered = expected.replace(", ", " or ")
        hint = f"Send the body in UTF-8 with the header Content-Type: {offered} (once), without Content-Encoding."
        super().__init__(detail, hint=hint)


class AccountExists(Refusal):
    code, status = "account_exists", 409
    hint = "An account with this e-mail address exists; log in instead."


class TooManySessions(Refusal):
    """The account has as many live sessions as ``session_limit`` allows, and ``session_limit_action`` is ``refuse``."""

    code, status = "too_many_sessions", 409
    hint = "This account is logged in on as many devices as are allowed; log out on one of them and log in again."


class PasswordRejected(Refusal):
    """NIST SP 800-63B-4 section 3.1.1.2: length and blocklist; ``reason`` is safe to show."""

    code, status = "password_rejected", 422
    hint = "Choose a longer or less common password, such as four words that do not belong together."

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class CredentialsNotOffered(Refusal):
    """``offered``: the values of ``deliver`` that the setting ``credentials`` allows."""

    code, status = "credentials_not_offered", 422
    hint = "This server does not issue that kind of credential; send another `deliver`."

    def __init__(self, detail: str = "", *, offered: tuple[str, ...] = ()) -> None:
        hint = f"This server does not issue that; `deliver` may be {' or '.join(offered)}." if offered else ""
        super().__init__(detail, hint=hint)


class PayloadRefused(Refusal):
    """The payload guard refused a claim.

    A payload is encoded, not encrypted (RFC 8725 section 3, RFC 7519 section 12).
    """

    code, status = "payload_refused", 422
    hint = "Claims are readable by anyone who holds the token; store a reference instead of the value."
