"""Refusals of a credential (401) and of what it does not allow (403)."""

from keyturn.errors.refusal import Refusal


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


class Forbidden(Refusal):
    code, status = "forbidden", 403
    hint = "This is not allowed for the login that was presented."


class CrossOrigin(Forbidden):
    code = "cross_origin"
    hint = "A browser sent this from another site; add the site to the trusted origins if it is yours."


class CsrfTokenRequired(Forbidden):
    code = "csrf_token_required"
    hint = "Send the CSRF token of this login in the X-CSRF-Token header; a form sends its page's in `csrf_token`."


class StepUpRequired(Forbidden):
    code = "step_up_required"
    hint = "Confirm the password again: the last authentication is too old for this."
