"""The conformance service on threads."""

import time
from collections.abc import Iterator
from typing import Any

from connectrpc.conformance.v1 import service_pb2
from connectrpc.conformance.v1.service_connect import ConformanceServiceSync

from tests.conformance.service.answers import (
    Context,
    put_headers,
    request_info,
    unary_payload,
    wanted_error,
)


class BlockingConformance(ConformanceServiceSync):
    """Answers as requests ask for."""

    def unary(self, request: service_pb2.UnaryRequest, ctx: Context, /) -> service_pb2.UnaryResponse:
        """Answer once."""
        return service_pb2.UnaryResponse(payload=_unary(ctx, request.response_definition, [request]))

    def idempotent_unary(
        self, request: service_pb2.IdempotentUnaryRequest, ctx: Context, /
    ) -> service_pb2.IdempotentUnaryResponse:
        """Answer once, by GET as well."""
        payload = _unary(ctx, request.response_definition, [request])
        return service_pb2.IdempotentUnaryResponse(payload=payload)

    def client_stream(
        self, request: Iterator[service_pb2.ClientStreamRequest], ctx: Context, /
    ) -> service_pb2.ClientStreamResponse:
        """Answer once, when everything has come."""
        requests = list(request)
        definition = requests[0].response_definition if requests else service_pb2.UnaryResponseDefinition()
        return service_pb2.ClientStreamResponse(payload=_unary(ctx, definition, requests))

    def server_stream(
        self, request: service_pb2.ServerStreamRequest, ctx: Context, /
    ) -> Iterator[service_pb2.ServerStreamResponse]:
        """Answer with a stream."""
        definition = request.response_definition
        put_headers(ctx, definition)
        ctx.send_headers()
        info = request_info(ctx, [request])
        for index, data in enumerate(definition.response_data):
            time.sleep(definition.response_delay_ms / 1000)
            payload = service_pb2.ConformancePayload(data=data, request_info=info if index == 0 else None)
            yield service_pb2.ServerStreamResponse(payload=payload)
        if definition.HasField("error"):
            raise wanted_error(definition.error, None if definition.response_data else info)

    def bidi_stream(
        self, request: Iterator[service_pb2.BidiStreamRequest], ctx: Context, /
    ) -> Iterator[service_pb2.BidiStreamResponse]:
        """Answer each message as it comes, or all of them at the end."""
        timeout_ms = ctx.timeout_ms
        definition = service_pb2.StreamResponseDefinition()
        unanswered: list[service_pb2.BidiStreamRequest] = []
        is_first, sent, full_duplex = True, 0, False
        for message in request:
            if is_first:
                is_first = False
                definition, full_duplex = message.response_definition, message.full_duplex
                put_headers(ctx, definition)
                ctx.send_headers()
            unanswered.append(message)
            if not full_duplex:
                continue
            if sent >= len(definition.response_data):
                break
            time.sleep(definition.response_delay_ms / 1000)
            info = request_info(ctx, unanswered, timeout_ms=timeout_ms if sent == 0 else None)
            yield _bidi(definition.response_data[sent], info)
            unanswered.clear()
            sent += 1
        info = request_info(ctx, unanswered, timeout_ms=timeout_ms)
        for index, data in enumerate(definition.response_data[sent:]):
            time.sleep(definition.response_delay_ms / 1000)
            yield _bidi(data, info if index == 0 else None)
        if definition.HasField("error"):
            raise wanted_error(definition.error, None if definition.response_data else info)


def _bidi(data: bytes, info: Any) -> service_pb2.BidiStreamResponse:
    return service_pb2.BidiStreamResponse(
        payload=service_pb2.ConformancePayload(data=data, request_info=info)
    )


def _unary(ctx: Context, definition: Any, requests: Any) -> service_pb2.ConformancePayload:
    put_headers(ctx, definition)
    info_payload = (
        unary_payload(ctx, definition, requests) if definition.WhichOneof("response") != "error" else None
    )
    time.sleep(definition.response_delay_ms / 1000)
    return unary_payload(ctx, definition, requests) if info_payload is None else info_payload
