"""An issuer's key document, published in memory."""

import json
import threading
from threading import Event
from urllib.request import Request

from keyturn.tokens import KeySet, SigningKey

JWKS = "https://auth.example.com/jwks"


class Publisher:
    """Answers the fetches of a key cache from memory; ``gate`` holds them back."""

    def __init__(self) -> None:
        self.answer: bytes | Exception = b""
        self.fetches = 0
        self.gate = Event()
        self.gate.set()

    def __call__(self, asked: Request) -> bytes:
        assert asked.full_url == JWKS
        self.fetches += 1
        assert self.gate.wait(30)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def publish(self, *keys: SigningKey) -> None:
        self.answer = json.dumps(KeySet(keys).to_jwks()).encode()


def wait_for_fetch() -> None:
    """Wait for a fetch under way."""
    for thread in threading.enumerate():
        if thread.name == "keyturn-keys":
            thread.join(30)
