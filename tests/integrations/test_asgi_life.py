"""AuthMiddleware and the life of its issuer: opened on first use, again after closing, and anew after a fork."""

from pathlib import Path
from typing import Any

from integrations.guarded_app import PASSWORD, App, ask, cookie, run
from keyturn import AsyncIssuer
from keyturn.integrations.asgi import AuthMiddleware
from test_issuer_life import in_child, threads_and_fork


class Site:
    """A guarded application of an issuer over SQLite, for http cookies."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.issuer = AsyncIssuer.from_env(data_dir=str(folder), issuer="https://auth.example.com", **settings)
        self.guard = AuthMiddleware(App(), issuer=self.issuer)

    def status(self, presented: tuple[bytes, bytes]) -> int:
        return ask(self.guard, presented).status

    @property
    def cached(self) -> int:
        return len(self.guard._auth._decide.args[1]._cookies.entries)  # type: ignore[attr-defined]


def test_a_guard_opens_its_issuer_on_first_use_and_again_after_closing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.issuer.current is None
    assert site.status((b"cookie", b"__Host-kt_session=x")) == 401
    presented = cookie(run(site.issuer.signup("ada@example.com", PASSWORD)))
    assert site.status(presented) == 200
    run(site.issuer.close())

    async def reopen() -> None:
        async with site.issuer:
            pass

    run(reopen())
    run(site.issuer.__aenter__())
    assert site.status(presented) == 200
    run(site.issuer.close())


@threads_and_fork
def test_a_forked_guard_answers_from_its_own_feed(tmp_path: Path) -> None:
    site = Site(tmp_path, revocation_staleness_seconds=60)
    issued = run(site.issuer.signup("ada@example.com", PASSWORD))
    presented = cookie(issued)
    while not site.cached:
        assert site.status(presented) == 200

    def child() -> list[int]:
        before = site.status(presented)
        run(site.issuer.logout(issued.sid))
        return [before, site.status(presented), site.cached]

    assert in_child(child) == [200, 401, 0]
    assert run(site.issuer.logout(issued.sid)).sequence
    assert site.status(presented) == 401
    run(site.issuer.close())
