"""Style sheet and scripts of the pages, shipped with the package."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

from keyturn.core.types import Instant
from keyturn.flows.effects import Flow
from keyturn.web.config import WebConfig
from keyturn.web.message import Reply, Request

_PREFIX: Final = "/account/assets/"
_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_ASSETS: Final = {each.name: each.read_bytes() for each in (files("keyturn.pages") / "assets").iterdir()}
_VERSIONS: Final = {name: urlsafe_b64encode(sha256(body).digest()[:9]).decode() for name, body in _ASSETS.items()}

ASSET_PATHS: Final = tuple(_PREFIX + name for name in sorted(_ASSETS))


def asset_url(name: str) -> str:
    """Return the path of an asset with its version: a browser keeps it until it changes."""
    return f"{_PREFIX}{name}?v={_VERSIONS[name]}"


def get_asset(request: Request, _now: Instant, _config: WebConfig) -> Flow[Reply]:
    """Return a style sheet or a script."""
    yield from ()
    name = request.path.removeprefix(_PREFIX)
    lifetime = b"public, max-age=31536000, immutable" if _VERSIONS[name] in request.query else b"no-cache"
    return Reply.file(_ASSETS[name], _TYPES[name.rpartition(".")[2]], ((b"cache-control", lifetime),))
