"""A proxy that caches in spite of ``no-store``: replayed feed responses do not make the feed fresh."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from keyturn import Verifier
from keyturn.errors import Refusal, RevocationUnknown, TokenRevoked
from keyturn.verifier import HttpFeed
from server_process import ServerProcess
from server_process.process import PASSWORD
from services.nginx import Nginx
from services.ports import free_port
from services.process import until

BOUND_SECONDS = 4.0
PROXY = """
proxy_cache_path kept keys_zone=kept:1m;
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://127.0.0.1:{behind};
        proxy_cache kept;
        proxy_cache_valid any 60s;
        proxy_ignore_headers Cache-Control Expires Vary;
        proxy_cache_key {key};
    }}
}}
"""


@pytest.fixture(params=["$uri", "$uri$is_args$args"], ids=["by path", "by query"])
def cached(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ServerProcess, str, bool]]:
    """Run an issuer behind a caching nginx. Yield it, its URL there, and True if the cache key has the query."""
    port, behind = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "ISSUER": url,
        "AUDIENCE": url,
        "ALGORITHM": "ES256",
        "REVOCATION_STALENESS_SECONDS": str(int(BOUND_SECONDS)),
    }
    server = ServerProcess(tmp_path / "data", settings={f"KEYTURN_{k}": v for k, v in settings.items()}, port=behind)
    nginx = Nginx(port, PROXY.format(port=port, behind=behind, key=request.param))
    server.start()
    nginx.start()
    yield server, url, "args" in request.param
    nginx.remove()
    server.stop()


def test_a_revoked_token_is_refused_within_the_bound(cached: tuple[ServerProcess, str, bool]) -> None:
    server, url, apart = cached
    body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
    issued = httpx.post(server.url + "/auth/signup", json=body, timeout=30).json()
    feed = HttpFeed(url + "/auth/revocations", stream=None, interval_seconds=0.2, staleness_seconds=BOUND_SECONDS)
    with closing(feed), Verifier(url, url, feed=feed, staleness_seconds=BOUND_SECONDS) as verify:
        assert verify(issued["access_token"]), "the first answer is to this question"
        assert httpx.post(server.url + "/auth/revoke", data={"token": issued["refresh_token"]}, timeout=30).json()[
            "revoked"
        ]
        time.sleep(BOUND_SECONDS)
        expected: type[Refusal] = TokenRevoked if apart else RevocationUnknown
        until(lambda: _refused(verify, issued["access_token"]) is expected)
        until(lambda: ("a caching proxy" in verify.metrics().problem) is not apart)


def _refused(verify: Verifier, token: str) -> type[Refusal]:
    with pytest.raises(Refusal) as refused:
        verify(token)
    return refused.type
