"""/.well-known: the public keys, and where everything is (RFC 8414)."""

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow
from keyturn.flows.revocation_pages import published_keys
from keyturn.web.config import WebConfig
from keyturn.web.endpoints.token import GRANT_TYPES
from keyturn.web.message import Header, Reply, Request, json_reply
from keyturn.web.schemas import MetadataAnswer

CACHE_SECONDS = 300


def public_cache_headers(site: WebConfig) -> tuple[Header, ...]:
    """Headers of public documents, which single-page applications of any origin read; no credential is in them."""
    # Well below the time a next key is published before it signs, so that no cache meets a kid it cannot know.
    seconds = min(CACHE_SECONDS, site.realm.profile.token.publish_seconds // 3)
    return (b"cache-control", b"public, max-age=%d" % seconds), (b"access-control-allow-origin", b"*")


def jwks(_request: Request, now: Instant, site: WebConfig) -> Flow[Reply]:
    """The keys that verify our access tokens: next, active and retired ones."""
    return json_reply(200, (yield from published_keys(now)), public_cache_headers(site))


def metadata(_request: Request, _now: Instant, site: WebConfig) -> Flow[Reply]:
    """Authorization server metadata. The OpenID document says the same: enough for clients that look there for keys."""
    yield from ()
    return json_reply(200, metadata_response(site), public_cache_headers(site))


def metadata_response(site: WebConfig) -> MetadataAnswer:
    """The metadata of this site. The issuer stands exactly as in ``iss`` (RFC 8414 section 3.3)."""
    return MetadataAnswer(
        issuer=site.realm.issuer,
        jwks_uri=site.url("/.well-known/jwks.json"),
        token_endpoint=site.url("/auth/token"),
        revocation_endpoint=site.url("/auth/revoke"),
        introspection_endpoint=site.url("/auth/introspect"),
        keyturn_revocations_endpoint=site.url("/auth/revocations"),
        grant_types_supported=GRANT_TYPES,
        response_types_supported=(),
        token_endpoint_auth_methods_supported=("none",),
        revocation_endpoint_auth_methods_supported=("none",),
        subject_types_supported=("public",),
        id_token_signing_alg_values_supported=(site.realm.profile.token.algorithm,),
    )
