"""The browser client as the endpoints serve it."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

import keyturn.web
from web.browser import Browser, header

MODULE = Path(keyturn.web.__file__).with_name("client") / "client.js"
MAX_GZIP_BYTES = 3000


def test_the_client_script_is_a_cacheable_module_for_every_origin(browser: Browser) -> None:
    reply = browser.get("/auth/client.js")
    assert (reply.status, reply.body) == (200, MODULE.read_bytes())
    assert header(reply, b"content-type") == "text/javascript; charset=utf-8"
    assert header(reply, b"x-content-type-options") == "nosniff"
    assert header(reply, b"cache-control") == "public, max-age=300"
    assert header(reply, b"access-control-allow-origin") == "*"


@pytest.mark.parametrize(
    ("values", "status"),
    [(('"a", W/{tag}',), 304), (('"a"', "{tag}"), 304), (('"a", "b"',), 200), (("",), 200)],
)
def test_a_client_script_with_a_known_etag_is_not_sent_again(
    browser: Browser, values: tuple[str, ...], status: int
) -> None:
    tag = header(browser.get("/auth/client.js"), b"etag") or ""
    sent = [(b"if-none-match", value.format(tag=tag).encode()) for value in values]
    reply = browser.send("GET", "/auth/client.js", headers=sent)
    assert (reply.status, bool(reply.body), header(reply, b"etag")) == (status, status == 200, tag)
    assert header(reply, b"cache-control") == "public, max-age=300"


def test_the_client_script_is_small(record_property: Callable[[str, object], None]) -> None:
    size = len(gzip.compress(MODULE.read_bytes(), 9, mtime=0))
    record_property("figure", f"browser client: {size:,} bytes gzip, {MODULE.stat().st_size:,} bytes")
    assert size <= MAX_GZIP_BYTES
