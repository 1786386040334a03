"""Server processes for tests: ``keyturn serve`` on a free port with a data directory of its own."""

from server_process.process import ServerProcess, run_server

__all__ = ["ServerProcess", "run_server"]
