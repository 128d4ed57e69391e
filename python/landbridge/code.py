"""The sixteen error codes that Connect and gRPC share."""

from __future__ import annotations

from enum import Enum

__all__ = ["Code"]


class Code(Enum):
    """Why a call failed. Values are the names of the Connect protocol; success has no code."""

    CANCELED = "canceled"
    """The caller gave the call up."""

    UNKNOWN = "unknown"
    """Nothing better is known, as for an exception that the handler did not expect."""

    INVALID_ARGUMENT = "invalid_argument"
    """The request is wrong, whatever the state of the system."""

    DEADLINE_EXCEEDED = "deadline_exceeded"
    """The time that the caller gave is over."""

    NOT_FOUND = "not_found"
    """What was asked for does not exist."""

    ALREADY_EXISTS = "already_exists"
    """What was to be made exists."""

    PERMISSION_DENIED = "permission_denied"
    """The caller is known, and may not do this."""

    RESOURCE_EXHAUSTED = "resource_exhausted"
    """A quota or limit is used up."""

    FAILED_PRECONDITION = "failed_precondition"
    """The system is not in the state that this needs; trying again does not help until that changes."""

    ABORTED = "aborted"
    """A conflict, such as a failed transaction; the caller may try the whole of it again."""

    OUT_OF_RANGE = "out_of_range"
    """Past the valid range, such as reading past an end."""

    UNIMPLEMENTED = "unimplemented"
    """The method does not exist here, or does nothing."""

    INTERNAL = "internal"
    """Something that must hold does not."""

    UNAVAILABLE = "unavailable"
    """The service cannot answer now; the caller may try again after a while."""

    DATA_LOSS = "data_loss"
    """Data is lost or damaged for good."""

    UNAUTHENTICATED = "unauthenticated"
    """The caller did not say who it is, or could not prove it."""
