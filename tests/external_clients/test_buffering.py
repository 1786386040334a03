"""A proxy that buffers responses: the stream does not arrive in time, and the verifier polls instead."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from keyturn import Verifier
from keyturn.errors import RevocationUnknown, TokenRevoked, Unavailable
from server_process import ServerProcess
from server_process.process import PASSWORD
from services.nginx import Nginx
from services.ports import free_port
from services.process import until

BOUND_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
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
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ServerProcess, str]]:
    """Run an issuer behind nginx, and yield it with its URL there."""
    port, behind = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "ISSUER": url,
        "AUDIENCE": url,
        "ALGORITHM": "ES256",
        "REVOCATION_STALENESS_SECONDS": str(int(BOUND_SECONDS)),
    }
    server = ServerProcess(tmp_path / "data", settings={f"KEYTURN_{k}": v for k, v in settings.items()}, port=behind)
    nginx = Nginx(port, PROXY.format(port=port, behind=behind, rules=request.param))
    server.start()
    nginx.start()
    yield server, url
    nginx.remove()
    server.stop()


def test_news_comes_in_time_all_the_same(proxied: tuple[ServerProcess, str]) -> None:
    server, url = proxied
    people = [_logged_in(server, number) for number in range(4)]
    with closing(Verifier(url, url, revocation="feed", on_stale="refuse", staleness_seconds=BOUND_SECONDS)) as verify:
        for access, _ in people:
            until(lambda: _accepts(verify, access))  # noqa: B023 - asked at once
        # Longer than the bound: the stream has been given up by now, if it is of no use.
        time.sleep(3 * BOUND_SECONDS)
        for access, refresh in people:
            until(lambda: _accepts(verify, access), lambda: "it has no news, however it comes")  # noqa: B023 - at once
            assert httpx.post(server.url + "/auth/revoke", data={"token": refresh}, timeout=30).json()["revoked"]
            acknowledged_at = time.monotonic()
            # Holds at any speed: a verifier that has had no news for the bound accepts nothing.
            assert _last_accepted(verify, access) <= acknowledged_at + BOUND_SECONDS


def _last_accepted(verify: Verifier, token: str) -> float:
    """Ask until it says "revoked". Answers when the last call that accepted it began."""
    last, began_at = 0.0, time.monotonic()
    give_up_at = began_at + PATIENCE_SECONDS
    while (told := _refusal_code(verify, token)) != TokenRevoked.code:
        assert began_at < give_up_at, "it was never refused"
        last, began_at = last if told else began_at, time.monotonic()
    return last


def _accepts(verify: Verifier, token: str) -> bool:
    return not _refusal_code(verify, token)


def _refusal_code(verify: Verifier, token: str) -> str:
    """Return the code of the refusal. ``revocation_unknown`` may be due to a busy machine."""
    try:
        verify(token)
    except (TokenRevoked, RevocationUnknown, Unavailable) as refusal:
        return refusal.code
    return ""


def _logged_in(server: ServerProcess, number: int) -> tuple[str, str]:
    body = {"email": f"ada{number}@example.com", "password": PASSWORD, "deliver": "tokens"}
    issued = httpx.post(server.url + "/auth/signup", json=body, timeout=30).json()
    return issued["access_token"], issued["refresh_token"]
