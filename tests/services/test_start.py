"""A server that does not start is noticed at once, and another one on its port is not taken for it."""

from collections.abc import Callable, Iterator

import pytest

from services.nginx import Nginx
from services.ports import free_port
from services.process import ServiceProcess
from services.redis import RedisServer, Sentinel
from services.run import VARIABLE, run_folder


class ExitingProcess(ServiceProcess):
    """A server that says why it cannot go on."""

    command = ("sh", "-c", "echo no port left; exit 1")

    def ready(self) -> bool:
        return False


@pytest.fixture
def intruder(own_redis: RedisServer) -> Iterator[RedisServer]:
    """Yield a server configured with the port of another."""
    server = RedisServer(port=own_redis.port)
    yield server
    server.remove()


@pytest.fixture
def path_with_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a run folder with a space in its name."""
    folder = run_folder() / "with a space"
    folder.mkdir(mode=0o711, exist_ok=True)
    monkeypatch.setenv(VARIABLE, str(folder))


def nginx() -> Nginx:
    port = free_port()
    return Nginx(port, f"server {{ listen 127.0.0.1:{port}; }}")


@pytest.mark.usefixtures("path_with_spaces")
@pytest.mark.parametrize("make", [nginx, RedisServer, lambda: Sentinel(1, 1, 1000)], ids=["nginx", "redis", "sentinel"])
def test_a_server_starts_in_a_path_with_spaces(make: Callable[[], ServiceProcess]) -> None:
    server = make()
    assert " " in str(server.folder)
    server.start()
    server.remove()


def test_a_server_that_ends_fails_with_the_tail_of_its_log() -> None:
    server = ExitingProcess()
    with pytest.raises(AssertionError, match="sh did not start: no port left"):
        server.start()
    server.remove()


def test_a_redis_does_not_start_on_a_used_port(own_redis: RedisServer, intruder: RedisServer) -> None:
    with pytest.raises(AssertionError, match="already in use"):
        intruder.start()
    assert own_redis.ready()
    assert not intruder.ready()
