"""A plain grpc-python server, as any team may run it: it knows nothing of the bridge.

`python -m demo.server PORT` prints `listening on 127.0.0.1:PORT` once it is up; port 0 lets the system pick.
"""

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from talk.v1 import talk_pb2, talk_pb2_grpc

TAG = "x-tag"
"""Metadata that `Say` sends back, in its head and in its trailers."""

LOOK_SECONDS = 10.0
"""How long `Look` waits for a call to end."""


class TalkService(talk_pb2_grpc.TalkServiceServicer):
    """One method for every kind of call."""

    def __init__(self) -> None:
        self._states: dict[str, talk_pb2.State] = {}
        self._state_changed = threading.Condition()

    def Say(  # noqa: N802 - the names are the proto's
        self, request: talk_pb2.SayRequest, context: grpc.ServicerContext
    ) -> talk_pb2.SayResponse:
        """Answer one sentence."""
        tags = [str(value) for key, value in context.invocation_metadata() if key == TAG]
        context.send_initial_metadata(tuple((f"{TAG}-header", tag) for tag in tags))
        context.set_trailing_metadata(tuple((f"{TAG}-trailer", tag) for tag in tags))
        _pass_time(request.delay_ms)
        return talk_pb2.SayResponse(
            sentence=f"You said: {request.sentence}",
            padding=bytes(request.padding_bytes),
            letters=len(request.sentence),
        )

    def Look(  # noqa: N802
        self, request: talk_pb2.LookRequest, _context: grpc.ServicerContext
    ) -> talk_pb2.LookResponse:
        """Tell what became of a `Count` call."""
        ended = (talk_pb2.STATE_FINISHED, talk_pb2.STATE_CANCELLED)
        with self._state_changed:
            if request.until_ended:
                self._state_changed.wait_for(lambda: self._states.get(request.name) in ended, LOOK_SECONDS)
            state = self._states.get(request.name, talk_pb2.STATE_UNSPECIFIED)
        return talk_pb2.LookResponse(state=state)

    def Count(  # noqa: N802
        self, request: talk_pb2.CountRequest, context: grpc.ServicerContext
    ) -> Iterator[talk_pb2.CountResponse]:
        """Count from one up to a number."""
        gone = threading.Event()

        def end() -> None:
            # Runs when the call is over, whatever ended it; grpc-python does not resume the handler of a call
            # that was cancelled.
            gone.set()
            self._end(request.name)

        self._set_state(request.name, talk_pb2.STATE_RUNNING)
        if not context.add_callback(end):
            end()
        for number in range(1, request.up_to + 1):
            if gone.wait(request.delay_ms / 1000 if number > 1 else 0):
                return
            yield talk_pb2.CountResponse(number=number)
        self._set_state(request.name, talk_pb2.STATE_FINISHED)

    def Sum(  # noqa: N802
        self, requests: Iterator[talk_pb2.SumRequest], _context: grpc.ServicerContext
    ) -> talk_pb2.SumResponse:
        """Add up all numbers."""
        return talk_pb2.SumResponse(total=sum(request.number for request in requests))

    def Converse(  # noqa: N802
        self, requests: Iterator[talk_pb2.ConverseRequest], _context: grpc.ServicerContext
    ) -> Iterator[talk_pb2.ConverseResponse]:
        """Answer every sentence as it comes."""
        for request in requests:
            yield talk_pb2.ConverseResponse(sentence=f"You said: {request.sentence}")

    def Fail(  # noqa: N802
        self, request: talk_pb2.FailRequest, context: grpc.ServicerContext
    ) -> talk_pb2.FailResponse:
        """Fail as asked."""
        status = _status(request)
        # `abort_with_status` would put the status's own trailers in the place of all others.
        context.set_trailing_metadata((*status.trailing_metadata, (f"{TAG}-trailer", "failed")))
        context.abort(status.code, status.details)
        raise AssertionError("abort raises")

    def CountAndFail(  # noqa: N802
        self, request: talk_pb2.CountAndFailRequest, context: grpc.ServicerContext
    ) -> Iterator[talk_pb2.CountResponse]:
        """Count, then fail as asked."""
        for number in range(1, request.up_to + 1):
            yield talk_pb2.CountResponse(number=number)
        context.abort_with_status(_status(request.failure))

    def _end(self, name: str) -> None:
        """Take note that a call is over: cancelled, unless it has told that it is finished."""
        with self._state_changed:
            if self._states.get(name) == talk_pb2.STATE_RUNNING:
                self._set_state(name, talk_pb2.STATE_CANCELLED)

    def _set_state(self, name: str, state: talk_pb2.State) -> None:
        if name:
            with self._state_changed:
                self._states[name] = state
                self._state_changed.notify_all()


def _status(failure: talk_pb2.FailRequest) -> grpc.Status:
    detail = any_pb2.Any()
    detail.Pack(talk_pb2.Reason(text=f"because of {failure.message}"))
    status: grpc.Status = rpc_status.to_status(
        status_pb2.Status(code=failure.code, message=failure.message, details=[detail])
    )
    return status


def _pass_time(milliseconds: int) -> None:
    if milliseconds:
        time.sleep(milliseconds / 1000)


def start(port: int) -> tuple[grpc.Server, int]:
    """Start the server on a loopback port; return it and the port that it got."""
    server = grpc.server(ThreadPoolExecutor(max_workers=32))
    talk_pb2_grpc.add_TalkServiceServicer_to_server(TalkService(), server)
    names = (talk_pb2.DESCRIPTOR.services_by_name["TalkService"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, bound


def main() -> None:
    """Serve until told to leave."""
    server, port = start(int(sys.argv[1]))
    print(f"listening on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
