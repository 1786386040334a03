"""The server as a process: it starts, serves, and stops."""

import signal
from pathlib import Path

from server_process import run_server
from server_process.process import PASSWORD


def test_a_login_is_served_and_ended_by_every_worker(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", workers=2) as server, server.client() as browser:
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert browser.post("/auth/signup", json=body).status_code == 201
        assert {browser.get("/auth/session").status_code for _ in range(20)} == {200}
        assert browser.post("/auth/logout").status_code == 200
        assert browser.get("/auth/session").status_code == 401


def test_it_stops_when_asked(tmp_path: Path) -> None:
    with run_server(tmp_path / "data") as server:
        # uvicorn shuts down in order, then ends by the signal it was sent.
        assert server.stop() == -signal.SIGTERM
        assert "Application shutdown complete" in server.log.read_text()
