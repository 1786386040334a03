"""/.well-known: the JSON Web Key Set and the authorization server metadata (RFC 8414)."""

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow
from keyturn.flows.revocation_pages import published_keys
from keyturn.web.config import JWKS, WebConfig
from keyturn.web.endpoints.token import GRANT_TYPES
from keyturn.web.message import Header, Reply, Request, json_reply
from keyturn.web.schemas import MetadataResponse

CACHE_SECONDS = 300


def public_cache_headers(config: WebConfig) -> tuple[Header, ...]:
    """Return the headers of public documents: cacheable, and readable from any origin, as they hold no credential."""
    # Well below the time for which a key is published before it signs: no cached key set lacks the active key.
    seconds = min(CACHE_SECONDS, config.issuer_config.profile.token.publish_seconds // 3)
    return (b"cache-control", b"public, max-age=%d" % seconds), (b"access-control-allow-origin", b"*")


def get_jwks(_request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return the public keys of the access tokens: next, active and retired."""
    return json_reply(200, (yield from published_keys(now)), public_cache_headers(config))


def get_metadata(_request: Request, _now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return the authorization server metadata (RFC 8414).

    The OpenID document is the same: sufficient for clients that discover the keys from it.
    """
    yield from ()
    return json_reply(200, metadata_response(config), public_cache_headers(config))


def metadata_response(config: WebConfig) -> MetadataResponse:
    """Build the metadata. ``issuer`` is exactly the value of ``iss`` (RFC 8414 section 3.3)."""
    return MetadataResponse(
        issuer=config.issuer_config.issuer,
        jwks_uri=config.route_url(JWKS),
        token_endpoint=config.route_url("/auth/token"),
        revocation_endpoint=config.route_url("/auth/revoke"),
        introspection_endpoint=config.route_url("/auth/introspect"),
        keyturn_revocations_endpoint=config.route_url("/auth/revocations"),
        grant_types_supported=GRANT_TYPES,
        response_types_supported=(),
        token_endpoint_auth_methods_supported=("none",),
        revocation_endpoint_auth_methods_supported=("none",),
        subject_types_supported=("public",),
        id_token_signing_alg_values_supported=(config.issuer_config.profile.token.algorithm,),
    )
