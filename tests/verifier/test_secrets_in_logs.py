"""Log lines of a verifier: one line per outage, without secrets and without text from the issuer."""

import logging
from typing import Any

import pytest

from keyturn.errors import ConfigurationError, Unavailable
from keyturn.verifier import HttpFeed, Verifier
from keyturn.verifier.checker import IntrospectionNeeded
from keyturn.verifier.fetch import bearer_header, fetch, request, require_secure
from keyturn.verifier.introspection import HttpIntrospection
from keyturn.verifier.outage_log import OutageLog
from keyturn.verifier.sse import listen

ISSUER = "https://auth.example.com"
SECRET = "c2VydmljZQ"


@pytest.mark.parametrize(
    "token", [f"{SECRET}\n", f"{SECRET}\r\nX: y", f" {SECRET}", f"{SECRET} more", f"{SECRET}é", ""]
)
def test_a_service_token_that_can_be_none_is_refused_at_once_and_not_quoted(token: str) -> None:
    for made in (
        lambda: bearer_header(token),
        lambda: HttpFeed(ISSUER, token),
        lambda: HttpIntrospection(ISSUER, token),
        lambda: Verifier(ISSUER, "orders", service_token=token),
    ):
        with pytest.raises(ConfigurationError, match="the service token") as refused:
            made()
        assert SECRET not in repr(refused.value) + str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *(f"https://ada:{SECRET}@auth.example.com", f"https://{SECRET}@auth.example.com"),
        *(f"https://auth.example.com/{SECRET}\nx", f"https://auth.example.com/{SECRET} x"),
        *(f"https://auth.example.com/{SECRET}\x7f", f"https://auth.exämple.com/{SECRET}"),
    ],
)
def test_a_url_with_a_password_or_a_line_break_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https URL") as refused:
        require_secure(url)
    assert SECRET not in repr(refused.value) + str(refused.value)


def test_text_sent_by_the_server_is_not_logged(site: Any) -> None:
    def answer(handler: Any) -> None:
        handler.wfile.write(b"evil\x1b[2J line\r\n\r\n")
        handler.close_connection = True

    site.answers["/x"] = answer
    with pytest.raises(Unavailable) as refused:
        fetch(request(site.url + "/x"))
    assert refused.value.detail == f"{site.url}/x: BadStatusLine"


def test_a_type_of_document_is_quoted(site: Any) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/\x1b[2J")
        handler.end_headers()
        handler.close_connection = True

    site.answers["/x"] = answer
    with pytest.raises(Unavailable) as refused, listen(request(site.url + "/x"), 5):
        pass
    assert "\x1b" not in refused.value.detail


def test_trouble_is_one_line_of_bounded_length(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    OutageLog("it failed").failed(Unavailable("a\nWARNING all is well\x1b[2J" + "x" * 1000))
    said = caplog.records[0].getMessage()
    assert said.startswith("it failed: a\\nWARNING all is well\\x1b[2Jxx")
    assert len(said) < 600


def test_the_introspected_token_is_not_in_repr() -> None:
    assert SECRET not in repr(IntrospectionNeeded(SECRET))
