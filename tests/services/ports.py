"""Ports for the servers of a run, none of them handed out twice."""

import secrets
import socket

from services.run import locked, run_folder

PORTS = range(10_000, 20_000)
"""Below what a system takes for outgoing connections (ip_local_port_range), so that none is lost before a server
listens; the bus of a Redis Cluster node listens 10,000 above its port, and is below, too."""


def free_port() -> int:
    """Return a free port that is given out once per run."""
    file = run_folder() / "port"
    with locked("port"):
        last = int(file.read_text()) if file.exists() else secrets.choice(PORTS)  # runs begin apart
        port = next(each for each in map(_after, range(last, last + len(PORTS))) if _is_free(each))
        file.write_text(str(port))
    return port


def _after(number: int) -> int:
    return PORTS[(number + 1) % len(PORTS)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
