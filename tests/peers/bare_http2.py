"""An HTTP/2 server that sends exactly the frames a test tells it to: the upstream that misbehaves."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import h2.config
import h2.connection
import h2.events
from h2.errors import ErrorCodes

Headers = Sequence[tuple[str, str]]

GRPC_HEAD: Headers = ((":status", "200"), ("content-type", "application/grpc"))


class Exchange:
    """One request that has come in whole; what is called on it is sent at once."""

    def __init__(self, connection: h2.connection.H2Connection, peer: socket.socket, stream_id: int) -> None:
        self._connection = connection
        self._peer = peer
        self._stream_id = stream_id

    def head(self, headers: Headers = GRPC_HEAD, *, end: bool = False) -> None:
        """Send a response head, or a trailers-only answer with `end`."""
        self._connection.send_headers(self._stream_id, list(headers), end_stream=end)
        self._flush()

    def data(self, data: bytes, *, end: bool = False) -> None:
        """Send one DATA frame."""
        self._connection.send_data(self._stream_id, data, end_stream=end)
        self._flush()

    def trailers(self, headers: Headers) -> None:
        """Send trailers, which end the answer."""
        self._connection.send_headers(self._stream_id, list(headers), end_stream=True)
        self._flush()

    def reset(self, code: ErrorCodes) -> None:
        """Break off this stream."""
        self._connection.reset_stream(self._stream_id, code)
        self._flush()

    def cut_connection(self) -> None:
        """Close the connection without a word."""
        self._peer.shutdown(socket.SHUT_RDWR)

    def _flush(self) -> None:
        self._peer.sendall(self._connection.data_to_send())


Script = Callable[[Exchange], object]
"""What the server does with each request."""


@contextmanager
def bare_http2_server(script: Script) -> Iterator[int]:
    """Run the server on a loopback port, and yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peers: list[socket.socket] = []

        def accept() -> None:
            # Closing the listener ends the wait for the next connection.
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    peers.append(peer)
                    threading.Thread(target=_serve, args=(peer, script), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for peer in peers:
                peer.close()


def _serve(peer: socket.socket, script: Script) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    with peer, suppress(OSError):
        peer.sendall(connection.data_to_send())
        while received := peer.recv(65536):
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.StreamEnded):
                    script(Exchange(connection, peer, event.stream_id))
            peer.sendall(connection.data_to_send())
