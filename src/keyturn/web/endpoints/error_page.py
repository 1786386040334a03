"""GET /docs/errors: the page that problem documents link to, shipped with the package."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow
from keyturn.web.config import WebConfig
from keyturn.web.endpoints.metadata import public_cache_headers
from keyturn.web.message import Header, Reply, Request

_PAGE = (files("keyturn.web") / "errors.html").read_bytes()

_STYLE = _PAGE.partition(b"<style>")[2].partition(b"</style>")[0]
_POLICY = b"default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The page needs its one style sheet and nothing else: no script runs on the issuer's origin (CSP level 3).
_HEADERS: tuple[Header, ...] = ((b"content-security-policy", _POLICY % b64encode(sha256(_STYLE).digest())),)


def get_error_page(_request: Request, _now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return the page that describes every error code."""
    yield from ()
    return Reply.html(_PAGE, (*_HEADERS, *public_cache_headers(config)))
