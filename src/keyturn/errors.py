"""Refusals: every error that Keyturn raises on purpose, with its wire code, HTTP status and public hint.

Each refusal has one documented ``code`` (``docs/reference/errors.md``), an HTTP status, and a ``hint`` that is safe to
show. ``detail`` is for logs and is never sent to a client.
"""

from typing import ClassVar


class Refusal(Exception):
    """Base class of all refusals.

    ``code``: stable wire code. ``status``: HTTP status. ``hint``: what to do next; safe to show.
    ``detail``: exact cause, for operators; never sent. ``retry_after_seconds``: for 429 and 503.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    hint: str = "The request was refused."

    def __init__(self, detail: str = "", *, hint: str = "", retry_after_seconds: int | None = None) -> None:
        self.detail = detail
        self.hint = hint or type(self).hint
        self.retry_after_seconds = retry_after_seconds
        super().__init__(detail or self.hint)


class ConfigurationError(Refusal):
    """Settings, policies, keys or a key set cannot be used. ``problems`` lists every problem.

    Raised during start-up, it stops the server. Raised later (a key can no longer be decrypted), it is sent to the
    client like any other refusal.
    """

    code, status = "misconfigured", 503
    hint = "This service is not configured as it should be; only its operators can help."

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


# --- 400: the request is malformed --------------------------------------------------------------------------


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
    """``expected``: the media type to send (RFC 9110 section 15.5.16)."""

    code, status = "unsupported_media_type", 415
    hint = "Send the body in the media type that this endpoint documents, in UTF-8 and without Content-Encoding."

    def __init__(self, expected: str, detail: str = "") -> None:
        self.expected = expected
        hint = f"Send the body in UTF-8 with the header Content-Type: {expected} (once), without Content-Encoding."
        super().__init__(detail, hint=hint)


class AccountExists(Refusal):
    code, status = "account_exists", 409
    hint = "An account with this e-mail address exists; log in instead."


class PasswordRejected(Refusal):
    """NIST SP 800-63B-4 section 3.1.1.2: length and blocklist; ``reason`` is safe to show."""

    code, status = "password_rejected", 422
    hint = "Choose another password."

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


# --- 401: not authenticated ---------------------------------------------------------------------------------


class Unauthenticated(Refusal):
    code, status = "unauthenticated", 401
    hint = "Log in and send the session cookie or a bearer token."


class LoginFailed(Unauthenticated):
    """One response for a wrong password, an unknown account and a disabled account (OWASP ASVS 5.0 section 6.3.8)."""

    code = "login_failed"
    hint = "The e-mail address or the password is wrong."


class TokenMalformed(Unauthenticated):
    code = "token_malformed"
    hint = "This is not a token of the kind that is expected here; check which token you send, or log in again."


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    hint = "The token is not valid here; log in again."


class UnknownKey(TokenInvalid):
    """No key of the set has the token's ``kid``. The token may verify once newer keys are fetched.

    Same wire code as :class:`TokenInvalid`; a verifier's key cache catches it and fetches the published keys again.
    """


class TokenExpired(Unauthenticated):
    code = "token_expired"
    hint = "The token has expired; refresh it or log in again."


class TokenNotYetValid(Unauthenticated):
    code = "token_not_yet_valid"
    hint = "The token is not valid yet; check this machine's clock."


class TokenRevoked(Unauthenticated):
    code = "token_revoked"
    hint = "This login was ended; log in again."


class SessionEnded(Unauthenticated):
    """The session reached its inactivity or overall timeout (NIST SP 800-63B-4 section 2.1.3)."""

    code = "session_ended"
    hint = "This session has ended; log in again."


class TokenReused(TokenRevoked):
    """A rotated refresh token was presented again, so its session was ended (RFC 9700 section 4.14.2)."""

    code = "token_reused"
    hint = "This refresh token was used before; its session was ended for safety. Log in again."


class CounterAhead(Unauthenticated):
    """A valid credential is newer than its stored session: the store has lost a write. Logged as an alert."""

    code = "counter_ahead"
    hint = "The server lost a write it had acknowledged; log in again. The operators have been alerted."


# --- 403: authenticated, but not allowed --------------------------------------------------------------------


class Forbidden(Refusal):
    code, status = "forbidden", 403
    hint = "This is not allowed for the login that was presented."


class CrossOrigin(Forbidden):
    code = "cross_origin"
    hint = "A browser sent this from another site; add the site to the trusted origins if it is yours."


class CsrfTokenRequired(Forbidden):
    code = "csrf_token_required"
    hint = "Send the session's CSRF token in the X-CSRF-Token header."


class StepUpRequired(Forbidden):
    code = "step_up_required"
    hint = "Confirm the password again: the last authentication is too old for this."


# --- 429 and 503: try again later ---------------------------------------------------------------------------


class Throttled(Refusal):
    code, status = "throttled", 429
    hint = "Too many attempts; wait as long as Retry-After says."


class Unavailable(Refusal):
    code, status = "unavailable", 503
    hint = "Try again as Retry-After says; your login is not affected."

    def __init__(self, detail: str = "", *, retry_after_seconds: int | None = 1) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)


class Overloaded(Unavailable):
    code = "overloaded"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class ClockUncertain(Unavailable):
    """Clocks disagree, and the credential is not valid by each: never accept, never 401, never end a session."""

    code = "clock_uncertain"
    hint = "A clock of this service is wrong. Keep your login and try again later; its operators must set the clock."

    def __init__(self, detail: str = "") -> None:
        # The interval at which the clocks are compared.
        super().__init__(detail, retry_after_seconds=15)


class RevocationUnknown(Unavailable):
    """The feed is older than the staleness bound and the store is unavailable: never accept, never 401."""

    code = "revocation_unknown"


class NotDurable(StoreUnavailable):
    """A write has not reached the configured number of replicas: do not rely on it; repeating it is safe."""

    code = "not_durable"


class StoreQuarantined(StoreUnavailable):
    """The session store restarted or failed over and may have lost acknowledged writes (P3): it is not used for now."""

    code = "store_quarantined"


class StoreRestored(StoreUnavailable):
    """The database was put back from a backup and has lost revocations: nothing issued before is served for now."""

    code = "store_restored"
    hint = "Log in again, or wait: the server's data was restored, and its operators have to confirm older logins."

    def __init__(self, detail: str = "", *, retry_after_seconds: int | None = 30) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
