"""Schemas of request and response bodies, from which the OpenAPI document is generated."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from keyturn.core.policy import Deliver, FormDeliver
from keyturn.core.principal import CredentialType
from keyturn.core.types import MAX_NAME_LENGTH
from keyturn.feed_schema import Seconds

# "$(?!\n)": in Python "$" alone also matches before a final line feed; in ECMA-262 both mean the same.
ClientName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)",
        description="What is logging in.",
        extra={"expected": "1 to 64 characters of A-Z, a-z, 0-9, ., _ and -"},
    ),
]
Email = Annotated[str, Meta(extra_json_schema={"format": "email"})]
OwnPath = Annotated[str, Meta(extra_json_schema={"format": "uri-reference"})]
GrantType = Annotated[str, Meta(extra_json_schema={"enum": ["refresh_token"]})]
Resource = Annotated[
    str | list[str],
    Meta(
        description="Audiences that the access tokens of this login are limited to (RFC 8707). Default: all.",
        extra={"expected": "a string or a list of strings"},
    ),
]
Resources = Annotated[
    tuple[str, ...],
    Meta(
        description="Granted audiences that the access token is limited to (RFC 8707 section 2.2). Default: all."
        " Repeat the parameter for several.",
    ),
]
ScopeText = Annotated[
    str,
    Meta(
        description="Scopes to ask for, separated by spaces (RFC 6749 section 3.3). Default: all that are granted."
        " The response has those that were granted.",
        extra={"expected": "names separated by spaces"},
    ),
]
Token = Annotated[str, Meta(min_length=1, description="A sealed credential or an access token.")]


AccountSubject = Annotated[
    str, Meta(min_length=1, max_length=MAX_NAME_LENGTH, extra={"expected": f"1 to {MAX_NAME_LENGTH} characters long"})
]


class MaskedStruct(Struct, frozen=True):
    """Base of bodies that may hold a secret: ``repr`` shows no field, in tracebacks and in logs."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class LoginRequest(MaskedStruct, frozen=True):
    """Request of signup and login."""

    email: Email
    password: str
    deliver: Deliver | None = None
    client_id: ClientName = "default"
    resource: Resource | None = None
    scope: ScopeText | None = None


class PageForm(MaskedStruct, frozen=True, kw_only=True):
    """Hidden fields of an HTML form.

    ``next`` and ``back``: path to go to after a success, and after a refusal. ``csrf_token``: where one is needed.
    """

    next: OwnPath = ""
    back: OwnPath = ""
    csrf_token: str = ""


class LoginForm(PageForm, frozen=True, kw_only=True):
    """HTML form of signup and login."""

    email: Email
    password: str
    deliver: FormDeliver | None = None
    client_id: ClientName = "default"
    resource: str | None = None
    scope: ScopeText | None = None


class PasswordForm(PageForm, frozen=True, kw_only=True):
    """HTML form of a password change."""

    current_password: str
    new_password: str


class StepUpForm(PageForm, frozen=True, kw_only=True):
    """HTML form of a step-up: the current password."""

    password: str


class PasswordRequest(MaskedStruct, frozen=True):
    """Request of a password change."""

    current_password: str
    new_password: str


class StepUpRequest(MaskedStruct, frozen=True):
    """Request of a step-up: the current password."""

    password: str


class AccountRequest(MaskedStruct, frozen=True):
    """The account to administer: either its subject or its e-mail address."""

    subject: AccountSubject | None = None
    email: Email | None = None


class TokenRequest(MaskedStruct, frozen=True):
    """Token request (RFC 6749 section 6). Without ``refresh_token`` the refresh cookie is read."""

    grant_type: GrantType
    refresh_token: Token | None = None
    resource: Resources | None = None


class RevokeRequest(MaskedStruct, frozen=True):
    """Revocation request (RFC 7009 section 2.1). ``token_type_hint`` is ignored: the token itself shows its kind."""

    token: Token
    token_type_hint: str | None = None


class IntrospectRequest(MaskedStruct, frozen=True):
    """Introspection request (RFC 7662 section 2.1)."""

    token: Token
    token_type_hint: str | None = None


class IssuedResponse(MaskedStruct, frozen=True):
    """Token response (RFC 6749 section 5.1) with the session's subject and id. Tokens in cookies are omitted."""

    subject: str
    sid: str
    session_expires_at: Seconds
    access_token: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    expires_in: Annotated[int, Meta(description="Seconds.")] | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    csrf_token: str | UnsetType = UNSET


class SessionResponse(MaskedStruct, frozen=True):
    """Principal of this request."""

    subject: str
    sid: str
    client_id: str
    credential: CredentialType
    auth_time: Seconds
    credential_expires_at: Seconds
    acr: str
    amr: tuple[str, ...]
    scope: str
    csrf_token: str | UnsetType = UNSET


class SessionSummaryResponse(Struct, frozen=True):
    """One active session, as shown to its owner."""

    sid: str
    current: bool
    client_id: str
    label: str
    address: str
    created_at: Seconds
    last_seen_at: Seconds
    idle_expires_at: Seconds
    session_expires_at: Seconds


class SessionsResponse(Struct, frozen=True):
    """List of active sessions. It never contains a credential.

    ``next``: ``after`` of the next page, if there is one.
    """

    sessions: list[SessionSummaryResponse]
    next: str | UnsetType = UNSET


class RevokedResponse(Struct, frozen=True):
    """Receipt of a revocation.

    ``sequence``: a verifier that has read the feed up to this number knows of the revocation.
    ``within_seconds``: seconds until every verifier and every cache refuses the session.
    """

    revoked: bool
    sequence: int
    within_seconds: int


class AccountResponse(Struct, frozen=True):
    """State of an account after it was disabled or enabled, and the receipt of the revocation of its sessions."""

    subject: str
    disabled: bool
    sequence: int
    within_seconds: int


class IntrospectionResponse(Struct, frozen=True):
    """Introspection response (RFC 7662 section 2.2). It has more fields if ``active`` is true."""

    active: bool


class MetadataResponse(Struct, frozen=True):
    """Authorization server metadata (RFC 8414 section 2). ``keyturn_revocations_endpoint`` is an extension."""

    issuer: str
    jwks_uri: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    keyturn_revocations_endpoint: str
    grant_types_supported: tuple[str, ...]
    response_types_supported: tuple[str, ...]
    token_endpoint_auth_methods_supported: tuple[str, ...]
    revocation_endpoint_auth_methods_supported: tuple[str, ...]
    subject_types_supported: tuple[str, ...]
    id_token_signing_alg_values_supported: tuple[str, ...]


class KeysResponse(Struct, frozen=True):
    """JSON Web Key Set (RFC 7517 section 5)."""

    keys: list[dict[str, str]]


class Problem(Struct, frozen=True):
    """Problem document (RFC 9457). ``code`` is stable; ``hint`` describes what to do next."""

    type: str
    title: str
    status: int
    code: str
    hint: str
    docs: str
    reason: str | UnsetType = UNSET
    member: str | UnsetType = UNSET


class OAuthProblem(Struct, frozen=True):
    """Error response (RFC 6749 section 5.2), with the fields of a problem document in addition."""

    error: str
    error_description: str
    code: str
    hint: str
    docs: str
    member: str | UnsetType = UNSET
