"""Methods and the functions that answer them."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from landbridge._kinds import gives_stream
from landbridge._settings import described

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from landbridge.method import MethodInfo
    from landbridge.request import RequestContext

__all__ = ["Endpoint", "EndpointSync"]

REQ = TypeVar("REQ")
RES = TypeVar("RES")
# Of the functions that make endpoints, which belong to no one kind of endpoint.
Q = TypeVar("Q")
S = TypeVar("S")


@dataclass(kw_only=True, frozen=True, slots=True)
class Endpoint(Generic[REQ, RES]):
    """A method and the function that answers it in an event loop. Made by the method of its kind."""

    method: MethodInfo[REQ, RES]
    """What is called."""

    function: Callable[..., Any]
    """What answers it. A plain function, or a plain generator for a stream of responses, runs on a thread."""

    @staticmethod
    def unary(
        method: MethodInfo[Q, S],
        function: Callable[[Q, RequestContext[Q, S]], Awaitable[S]],
    ) -> Endpoint[Q, S]:
        """One request, one response."""
        return Endpoint(method=method, function=function)

    @staticmethod
    def client_stream(
        method: MethodInfo[Q, S],
        function: Callable[[AsyncIterator[Q], RequestContext[Q, S]], Awaitable[S]],
    ) -> Endpoint[Q, S]:
        """A stream of requests, one response."""
        return Endpoint(method=method, function=function)

    @staticmethod
    def server_stream(
        method: MethodInfo[Q, S],
        function: Callable[[Q, RequestContext[Q, S]], AsyncIterator[S]],
    ) -> Endpoint[Q, S]:
        """One request, a stream of responses."""
        return Endpoint(method=method, function=function)

    @staticmethod
    def bidi_stream(
        method: MethodInfo[Q, S],
        function: Callable[[AsyncIterator[Q], RequestContext[Q, S]], AsyncIterator[S]],
    ) -> Endpoint[Q, S]:
        """A stream each way."""
        return Endpoint(method=method, function=function)


@dataclass(kw_only=True, frozen=True, slots=True)
class EndpointSync(Generic[REQ, RES]):
    """A method and the function that answers it on a thread. Made by the method of its kind."""

    method: MethodInfo[REQ, RES]
    """What is called."""

    function: Callable[..., Any]
    """What answers it."""

    @staticmethod
    def unary(
        method: MethodInfo[Q, S], function: Callable[[Q, RequestContext[Q, S]], S]
    ) -> EndpointSync[Q, S]:
        """One request, one response."""
        return EndpointSync(method=method, function=function)

    @staticmethod
    def client_stream(
        method: MethodInfo[Q, S],
        function: Callable[[Iterator[Q], RequestContext[Q, S]], S],
    ) -> EndpointSync[Q, S]:
        """A stream of requests, one response."""
        return EndpointSync(method=method, function=function)

    @staticmethod
    def server_stream(
        method: MethodInfo[Q, S],
        function: Callable[[Q, RequestContext[Q, S]], Iterator[S]],
    ) -> EndpointSync[Q, S]:
        """One request, a stream of responses."""
        return EndpointSync(method=method, function=function)

    @staticmethod
    def bidi_stream(
        method: MethodInfo[Q, S],
        function: Callable[[Iterator[Q], RequestContext[Q, S]], Iterator[S]],
    ) -> EndpointSync[Q, S]:
        """A stream each way."""
        return EndpointSync(method=method, function=function)


def checked(endpoint: Endpoint[Any, Any] | EndpointSync[Any, Any]) -> Callable[..., Any]:
    """The function of an endpoint.

    Raises `TypeError` where it cannot be called with a request and a context, and where it is asynchronous
    and its application is not.
    """
    function = endpoint.function
    path = f"/{endpoint.method.service_name}/{endpoint.method.name}"
    if not callable(function):
        raise TypeError(f"the handler of {path} is {described(function)}: it must be a function")
    try:
        signature = inspect.signature(function)
    except ValueError:
        # Some that are not written in Python do not tell.
        return function
    name = getattr(function, "__qualname__", described(function))
    try:
        signature.bind(None, None)
    except TypeError:
        advice = "it is called with a request and a context; was a class given where its instance belongs?"
        raise TypeError(f"the handler of {path} is {name}{signature}: {advice}") from None
    if isinstance(endpoint, EndpointSync) and _is_asynchronous(function):
        advice = "a WSGI application has blocking ones; make the ASGI application of the service instead"
        raise TypeError(f"the handler of {path} is {name}, which is asynchronous: {advice}")
    return function


def _is_asynchronous(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine or an asynchronous generator, as far as that can be seen."""
    # Instances with `async def __call__` are functions, too.
    made = (function, getattr(function, "__call__", None))  # noqa: B004
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in made)


def blocks(endpoint: Endpoint[Any, Any]) -> bool:
    """Whether a handler is a plain function, or of a method with a stream of responses a plain generator."""
    written = inspect.unwrap(endpoint.function)
    while isinstance(written, functools.partial):
        written = inspect.unwrap(written.func)
    if gives_stream(endpoint.method.stream_type):
        return inspect.isgeneratorfunction(written)
    return inspect.isroutine(written) and not inspect.iscoroutinefunction(written)
