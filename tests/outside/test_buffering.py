"""A proxy that keeps what it is told until it has enough of it: the feed's stream is no use then, and is not missed."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from engines.nginx import Nginx
from engines.ports import free_port
from keyturn import Verifier
from keyturn.errors import Refusal, TokenRevoked
from served import Served
from served.process import PASSWORD

BOUND_SECONDS = 2.0
PROXY = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://127.0.0.1:{behind};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        {rules}
    }}
}}
"""
KEEPS = "proxy_ignore_headers X-Accel-Buffering; proxy_buffering on; proxy_buffers 8 1m; proxy_buffer_size 1m;"


@pytest.fixture(params=[KEEPS, ""], ids=["keeps it", "lets it through"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Served, str]]:
    """An issuer, and its address behind nginx."""
    port, behind = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"ISSUER": url, "AUDIENCE": url, "ALGORITHM": "ES256", "STALENESS_SECONDS": str(int(BOUND_SECONDS))}
    served = Served(tmp_path / "data", settings={f"KEYTURN_{k}": v for k, v in settings.items()}, port=behind)
    nginx = Nginx(port, PROXY.format(port=port, behind=behind, rules=request.param))
    served.start()
    nginx.start()
    yield served, url
    nginx.remove()
    served.stop()


def test_news_comes_in_time_all_the_same(proxied: tuple[Served, str]) -> None:
    served, url = proxied
    people = [_logged_in(served, number) for number in range(4)]
    with closing(Verifier(url, url, revocation="feed", unknown="refuse", staleness_seconds=BOUND_SECONDS)) as verify:
        assert all(verify(access) for access, _ in people)
        # Longer than the bound: the stream has been given up by now, if it is of no use.
        time.sleep(3 * BOUND_SECONDS)
        for access, refresh in people:
            assert verify(access), "it has news, however it came"
            assert httpx.post(served.url + "/auth/revoke", data={"token": refresh}, timeout=20).json()["revoked"]
            acknowledged_at = time.monotonic()
            assert _last_accepted(verify, access) <= acknowledged_at + BOUND_SECONDS
        assert verify.metrics().staleness_seconds < BOUND_SECONDS


def _last_accepted(verify: Verifier, token: str) -> float:
    """When the last call that accepted it began."""
    last, began_at = 0.0, time.monotonic()
    while not _refuses(verify, token):
        last, began_at = began_at, time.monotonic()
    return last


def _refuses(verify: Verifier, token: str) -> bool:
    """Whether it says "revoked". What it accepts after the bound, and every other refusal, is an error."""
    try:
        verify(token)
    except TokenRevoked:
        return True
    except Refusal as refusal:
        raise AssertionError(refusal.code) from refusal
    return False


def _logged_in(served: Served, number: int) -> tuple[str, str]:
    body = {"email": f"ada{number}@example.com", "password": PASSWORD, "deliver": "tokens"}
    issued = httpx.post(served.url + "/auth/signup", json=body, timeout=20).json()
    return issued["access_token"], issued["refresh_token"]
