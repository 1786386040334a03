"""GET /auth/client.js: the browser client, an ES module that is shipped with the package."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow
from keyturn.web.config import WebConfig
from keyturn.web.endpoints.metadata import public_cache_headers
from keyturn.web.message import Header, Reply, Request

_MODULE: Final = (files("keyturn.web") / "client" / "client.js").read_bytes()
_ETAG: Final = b'"%s"' % urlsafe_b64encode(sha256(_MODULE).digest()[:15])


def get_client_script(request: Request, _now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return the browser client, an ES module."""
    yield from ()
    headers: tuple[Header, ...] = ((b"etag", _ETAG), *public_cache_headers(config))
    if _ETAG in b",".join(request.values(b"if-none-match")):
        # RFC 9110 section 13.1.2: a match, weak or strong. The tag contains no comma and no quote.
        return Reply(304, headers)
    return Reply.script(_MODULE, headers)
