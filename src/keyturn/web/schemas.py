"""Shapes: what travels in bodies. The OpenAPI document is made from these very structs."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from keyturn.core.policy import Deliver
from keyturn.core.principal import Credential
from keyturn.core.revocation import RevocationKind

# "$(?!\n)": in Python "$" alone also matches before a last line feed; ECMA-262 reads both alike.
ClientName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)", description="What is logging in.")]
Email = Annotated[str, Meta(extra_json_schema={"format": "email"})]
Grant = Annotated[str, Meta(extra_json_schema={"enum": ["refresh_token"]})]
Seconds = Annotated[int, Meta(description="Whole seconds since 1970-01-01T00:00:00Z.")]
Token = Annotated[str, Meta(min_length=1, description="A sealed credential or an access token.")]


class Masked(Struct, frozen=True):
    """A body that may hold a secret: no traceback and no log shows it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class LoginBody(Masked, frozen=True):
    """What signup and login are asked with."""

    email: Email
    password: str
    deliver: Deliver | None = None
    client_id: ClientName = "default"


class PasswordBody(Masked, frozen=True):
    """A password change."""

    current_password: str
    new_password: str


class StepUpBody(Masked, frozen=True):
    """The password once more."""

    password: str


class TokenForm(Masked, frozen=True):
    """RFC 6749 section 6. Without ``refresh_token`` the refresh cookie is read."""

    grant_type: Grant
    refresh_token: Token | None = None


class RevokeForm(Masked, frozen=True):
    """RFC 7009 section 2.1. The kind of a token shows in the token, so the hint is not needed."""

    token: Token
    token_type_hint: str | None = None


class IntrospectForm(Masked, frozen=True):
    """RFC 7662 section 2.1."""

    token: Token
    token_type_hint: str | None = None


class IssuedAnswer(Masked, frozen=True):
    """RFC 6749 section 5.1, and whose session it is. Tokens are left out where a cookie carries them."""

    subject: str
    sid: str
    expires_at: Seconds
    access_token: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    expires_in: Annotated[int, Meta(description="Seconds.")] | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    csrf_token: str | UnsetType = UNSET


class SessionAnswer(Masked, frozen=True):
    """The principal of this request."""

    subject: str
    sid: str
    client_id: str
    credential: Credential
    auth_time: Seconds
    expires_at: Seconds
    acr: str
    amr: tuple[str, ...]
    scope: str
    csrf_token: str | UnsetType = UNSET


class DeviceAnswer(Struct, frozen=True):
    """One live session, as its owner sees it."""

    sid: str
    current: bool
    client_id: str
    label: str
    address: str
    created_at: Seconds
    last_seen_at: Seconds
    expires_at: Seconds


class DevicesAnswer(Struct, frozen=True):
    """The device list. Never a credential in it."""

    sessions: list[DeviceAnswer]


class RevokedAnswer(Struct, frozen=True):
    """``sequence``: ask any verifier if it is at least this fresh. ``within_seconds``: when the last copy stops."""

    revoked: bool
    sequence: int
    within_seconds: int


class IntrospectionAnswer(Struct, frozen=True):
    """RFC 7662 section 2.2; more members follow when ``active``."""

    active: bool


class FeedEntry(Struct, frozen=True):
    """One revocation; see the topic page on revocation for what ``value`` means for each kind."""

    sequence: int
    kind: RevocationKind
    key: str
    value: int
    at: Seconds
    expires_at: Seconds


class FeedAnswer(Struct, frozen=True):
    """At most 1000 entries in order; go on after ``sequence`` until a page is empty. ``complete`` is false when older
    ones were purged: take a snapshot. So do when ``log`` is another number than before: the log went back in time.
    ``nonce`` is that of the question: an answer with another comes out of a cache, and says nothing of now."""

    entries: list[FeedEntry]
    sequence: int
    complete: bool
    log: int
    nonce: str


class MetadataAnswer(Struct, frozen=True):
    """RFC 8414 section 2; ``keyturn_revocations_endpoint`` is ours."""

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


class KeysAnswer(Struct, frozen=True):
    """RFC 7517 section 5."""

    keys: list[dict[str, str]]


class Problem(Struct, frozen=True):
    """RFC 9457; ``code`` is stable, ``hint`` says what to do next."""

    type: str
    title: str
    status: int
    code: str
    hint: str
    docs: str
    reason: str | UnsetType = UNSET
    member: str | UnsetType = UNSET


class OAuthProblem(Struct, frozen=True):
    """RFC 6749 section 5.2, with the members of a problem beside it."""

    error: str
    error_description: str
    code: str
    hint: str
    docs: str
    member: str | UnsetType = UNSET
