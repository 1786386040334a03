"""A real server process for tests: ``keyturn serve`` on a free port, its own data folder, stopped in the end."""

from server_process.process import Served, serving

__all__ = ["Served", "serving"]
