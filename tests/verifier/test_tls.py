"""TLS: only an issuer with a trusted certificate is used, and one that sends slowly is abandoned."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from keyturn.errors import Unavailable
from keyturn.verifier.fetch import fetch, request
from services.certificate import make_certificate

Answer = Callable[[ssl.SSLSocket], None]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serve(pair: tuple[Path, Path]) -> Iterator[Callable[[Answer], str]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)
    listener = socket.create_server(("127.0.0.1", 0))

    def run(answer: Answer) -> None:
        with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as peer:
            peer.recv(4096)
            answer(peer)

    def begin(answer: Answer) -> str:
        Thread(target=run, args=(answer,), daemon=True).start()
        return f"https://localhost:{listener.getsockname()[1]}/"

    yield begin
    listener.close()


@pytest.fixture
def _trusted(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))


@pytest.mark.usefixtures("_trusted")
def test_a_trusted_issuer_is_asked(serve: Callable[[Answer], str]) -> None:
    url = serve(lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
    assert fetch(request(url)) == b"{}"


def test_an_untrusted_certificate_is_unavailable_with_its_reason(serve: Callable[[Answer], str]) -> None:
    with pytest.raises(Unavailable, match=r"SSLCertVerificationError.*self.signed certificate"):
        fetch(request(serve(lambda _: None)))


@pytest.mark.usefixtures("_trusted")
@pytest.mark.timeout(60)
def test_a_dripping_tls_server_times_out(serve: Callable[[Answer], str]) -> None:
    def drip(peer: ssl.SSLSocket) -> None:
        while True:  # until the connection is closed
            peer.sendall(b"x")
            time.sleep(0.02)

    with pytest.raises(Unavailable, match="TimeoutError"):
        fetch(request(serve(drip)), seconds=0.3)
