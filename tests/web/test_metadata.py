"""The public documents, read by other people's programs."""

import msgspec
import pytest

from keyturn.errors import ConfigurationError
from keyturn.tokens import KeySet, verify_compact
from keyturn.verifier.metadata import Metadata, check_metadata
from keyturn.web.config import web_config
from web.browser import Browser, document, header, text


def test_the_published_keys_verify_our_tokens(browser: Browser) -> None:
    token = text(browser.signup("tokens"), "access_token")
    reply = browser.get("/.well-known/jwks.json")
    assert header(reply, b"cache-control") == "public, max-age=300"
    assert header(reply, b"access-control-allow-origin") == "*"
    assert b"orders" in verify_compact(token, KeySet.from_jwks(reply.body))


@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
def test_our_verifier_reads_our_metadata(browser: Browser, name: str) -> None:
    reply = browser.get(f"/.well-known/{name}")
    found = document(reply)
    metadata = check_metadata(msgspec.json.decode(reply.body, type=Metadata), "https://auth.example.com")
    assert metadata.jwks_uri == "https://auth.example.com/.well-known/jwks.json"
    assert metadata.introspection_endpoint == "https://auth.example.com/auth/introspect"
    assert metadata.revocations_endpoint == "https://auth.example.com/auth/revocations"
    assert found["response_types_supported"] == []
    assert found["grant_types_supported"] == ["refresh_token"]


@pytest.mark.conforms("RFC 8414 2")
def test_every_endpoint_of_the_metadata_answers(browser: Browser) -> None:
    found = document(browser.get("/.well-known/oauth-authorization-server"))
    for name, url in found.items():
        if name.endswith(("_endpoint", "_uri")):
            path = str(url).removeprefix("https://auth.example.com")
            assert document(browser.send("OPTIONS", path))["code"] == "method_not_allowed"


def test_a_site_checks_its_origins(browser: Browser) -> None:
    assert web_config(browser.site.issuer_config, trusted_origins=["HTTPS://App.Example:443"]).origins.sites == {
        "https://app.example"
    }
    with pytest.raises(ConfigurationError):
        web_config(browser.site.issuer_config, trusted_origins=["*"])


def test_the_repr_of_a_web_config_hides_service_token_digests(browser: Browser) -> None:
    assert "service_digests" not in repr(browser.site)
