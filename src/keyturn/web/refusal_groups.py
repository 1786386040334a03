"""Refusals that several operations of the table have in common."""

from keyturn import errors

ALWAYS = (
    errors.BadRequest,
    errors.RequestTimeout,
    errors.PayloadTooLarge,
    errors.HeadersTooLarge,
    errors.Overloaded,
    errors.StoreUnavailable,
    errors.StoreQuarantined,
    errors.StoreRestored,
)
BEARER = (errors.Unauthenticated, errors.TokenMalformed, errors.TokenInvalid)
_ENDED = (errors.TokenRevoked, errors.SessionEnded, errors.CounterAhead)
READ = (
    *ALWAYS,
    *BEARER,
    *_ENDED,
    errors.TokenExpired,
    errors.TokenNotYetValid,
    errors.RevocationUnknown,
    errors.ClockUncertain,
)
WRITE = (*READ, errors.CrossOrigin, errors.CsrfTokenRequired, errors.NotDurable)
BODY = (errors.InvalidMember, errors.UnsupportedMediaType)
PASSWORD = (
    errors.LoginFailed,
    errors.Throttled,
    errors.PasswordRejected,
    errors.CredentialsNotOffered,
    errors.InvalidTarget,
    errors.GrantsUnavailable,
)
ENTER = (
    *ALWAYS,
    *BODY,
    *PASSWORD,
    errors.TooManySessions,
    errors.InvalidScope,
    errors.CrossOrigin,
    errors.CsrfTokenRequired,
    errors.NotDurable,
)
TOKEN = (
    *ALWAYS,
    *BODY,
    *_ENDED,
    errors.TokenMalformed,
    errors.TokenInvalid,
    errors.TokenReused,
    errors.UnsupportedGrantType,
    errors.InvalidTarget,
    errors.CredentialsNotOffered,
    errors.CrossOrigin,
    errors.CsrfTokenRequired,
    errors.StepUpRequired,
    errors.NotDurable,
    errors.GrantsUnavailable,
)
