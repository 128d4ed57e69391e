"""A server of HTTP/1.1 that answers with exactly the bytes a test gives it."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def raw_server(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Answer each request over HTTP/1.1 with whatever bytes a test wants, then close; gives the URL."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(peer: socket.socket) -> None:
            with peer, suppress(OSError):
                read_request(peer)
                answer(peer)
                # What was not read would turn the close into a reset, which overtakes the answer.
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass

        def accept() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    threads.append(threading.Thread(target=serve, args=(peer,)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def read_request(peer: socket.socket) -> None:
    """Take a whole request."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        data = peer.recv(65536)
        if not data:
            raise OSError
        seen += data
    head, _, body = seen.partition(b"\r\n\r\n")
    lines = [line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:]]
    headers = {name: value.strip() for name, value in lines}
    if b"content-length" in headers:
        while len(body) < int(headers[b"content-length"]):
            body += peer.recv(65536)
    elif b"transfer-encoding" in headers:
        while not body.endswith(b"0\r\n\r\n"):
            body += peer.recv(65536)


def http1(content: bytes, kind: str, *, status: str = "200 OK", more: str = "") -> bytes:
    """An answer of HTTP/1.1, behind which the connection closes, as `raw_server` does."""
    length = f"content-length: {len(content)}\r\nconnection: close\r\n"
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{length}{more}\r\n".encode() + content


def envelope(data: bytes, flags: int = 0) -> bytes:
    """A message with its prefix."""
    return struct.pack(">BI", flags, len(data)) + data
