"""A TCP proxy that injects network faults: closed connections, lost packets, delay."""

import select
import socket
import threading
import time
from contextlib import suppress
from typing import Literal

State = Literal["whole", "cut", "clogged", "slow"]
DELAY_SECONDS = 0.25


class TcpProxy:
    """Forward ``port`` to ``target``.

    State ``cut``: connections are closed. ``clogged``: data is held back without an error. ``slow``: data is delayed by
    ``DELAY_SECONDS``.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.state: State = "whole"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set_state(self, state: State) -> None:
        """Set the state, for open connections too."""
        self.state = state
        if state == "cut":
            with self._lock:
                for each in self._open:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.set_state("cut")
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        with near:
            if self.state == "cut":
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                return
            with far, suppress(OSError):
                with self._lock:
                    self._open |= {near, far}
                self._forward_until_closed(near, far)
            with self._lock:
                self._open -= {near, far}

    def _forward_until_closed(self, near: socket.socket, far: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([near, far], [], [], 0.1)
            for each in ready:
                if self.state == "clogged":
                    time.sleep(0.05)
                    continue
                sent = each.recv(65536)
                if not sent:
                    return
                if self.state == "slow":
                    time.sleep(DELAY_SECONDS)
                (far if each is near else near).sendall(sent)
