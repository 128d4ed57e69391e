"""Errors and headers, as applications handle them."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import landbridge
import pytest
from google.protobuf.any_pb2 import Any as GoogleAny
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue
from landbridge.code import Code
from landbridge.errors import ConnectError, ErrorDetail
from landbridge.request import Headers
from protobuf.wkt import Any as PyAny
from protobuf.wkt import Duration as PyDuration


def test_error_details_are_made_of_messages_of_both_libraries() -> None:
    google = ErrorDetail(Duration(seconds=3))
    py = ErrorDetail(PyDuration(seconds=3))
    assert google.type_name == py.type_name == "google.protobuf.Duration"
    assert google.message_bytes == py.message_bytes
    assert google.value(Duration) == Duration(seconds=3)
    assert py.value(Duration) == Duration(seconds=3)
    read = google.value(PyDuration)
    assert read is not None
    assert read.seconds == 3


def test_an_any_stands_for_what_it_holds() -> None:
    packed = GoogleAny()
    packed.Pack(Duration(seconds=3))
    assert ErrorDetail(packed).type_name == "google.protobuf.Duration"
    assert ErrorDetail(PyAny.pack(PyDuration(seconds=3))).value(Duration) == Duration(seconds=3)


def test_a_detail_of_another_type_has_no_value_of_this_one() -> None:
    assert ErrorDetail(Duration(seconds=3)).value(StringValue) is None
    assert ErrorDetail._of("google.protobuf.Duration", b"\xff").value(Duration) is None


def test_a_detail_that_was_received_is_read_by_the_classes_that_are_loaded() -> None:
    assert ErrorDetail._of("google.protobuf.Duration", b"\x08\x03").value() == Duration(seconds=3)
    assert ErrorDetail._of("no.such.Message", b"").value() is None


def test_a_detail_that_is_no_message_is_refused() -> None:
    with pytest.raises(TypeError, match="protobuf message, not dict"):
        ConnectError(Code.INTERNAL, "x", [{}])  # type: ignore[list-item]


def test_the_type_of_a_detail_may_be_given_by_its_name() -> None:
    detail: Any = ErrorDetail(Duration(seconds=3))
    assert detail.value(desc_or_registry=Duration) == Duration(seconds=3)
    assert detail.value(desc_or_registry=PyDuration) == PyDuration(seconds=3)
    assert detail.value(desc_or_registry=None) == Duration(seconds=3)


@pytest.mark.parametrize(
    ("details", "given"),
    [
        (Duration(seconds=3), "a Duration"),
        (Struct(fields={}), "a Struct"),
        (PyDuration(seconds=3), "a Duration"),
        (ErrorDetail(Duration()), "a ErrorDetail"),
        ("why", "'why'"),
        (None, "None"),
    ],
)
def test_details_are_a_list(details: Any, given: str) -> None:
    said = f"details is {given}: it must be a list of protobuf messages or ErrorDetails, as [RetryInfo()]"
    with pytest.raises(TypeError) as caught:
        ConnectError(Code.INTERNAL, "x", details)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("not_found", "no such thing", "code is 'not_found': it must be a landbridge.code.Code"),
        (Code.NOT_FOUND, None, "message is None: it must be a str"),
        (Code.NOT_FOUND, KeyError("x"), "message is a KeyError: it must be a str"),
    ],
)
def test_an_error_that_could_not_be_sent_is_refused_where_it_is_made(
    code: Any, message: Any, said: str
) -> None:
    with pytest.raises(TypeError) as caught:
        ConnectError(code, message)
    assert str(caught.value) == said


def test_an_error_survives_pickling() -> None:
    error = ConnectError(Code.NOT_FOUND, "gone", [Duration(seconds=3)])
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.message, str(again)) == (Code.NOT_FOUND, "gone", "gone")
    assert again.details[0].value(Duration) == Duration(seconds=3)


def test_headers_have_no_case_and_keep_every_value() -> None:
    headers = Headers({"Content-Type": "a"})
    headers.add("X-Tag", "1")
    headers.add("x-tag", "2")
    assert headers["content-TYPE"] == "a"
    assert headers["x-tag"] == "1"
    assert headers.getall("X-TAG") == ("1", "2")
    assert list(headers.allitems()) == [("content-type", "a"), ("x-tag", "1"), ("x-tag", "2")]
    assert len(headers.allitems()) == 3
    assert dict(headers) == {"content-type": "a", "x-tag": "1"}
    headers["X-tag"] = "3"
    assert headers.getall("x-tag") == ("3",)
    del headers["X-TAG"]
    assert "x-tag" not in headers
    assert headers.getall("x-tag") == ()
    headers.clear()
    assert not headers


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("x-token-bin", "no base64", "x-token-bin is not base64"),
        ("X-Token-Bin", "AA=A", "x-token-bin is not base64"),
        ("x-tag", "two\nlines", "x-tag has a value that HTTP cannot carry"),
        ("x tag", "1", "is not a header name that HTTP can carry"),
    ],
)
def test_a_header_that_cannot_be_sent_raises_where_it_is_set(name: str, value: str, said: str) -> None:
    headers = Headers({"x-tag": "1"})
    with pytest.raises(ValueError, match=said):
        headers[name] = value
    with pytest.raises(ValueError, match=said):
        headers.add(name, value)
    assert list(headers.allitems()) == [("x-tag", "1")]


def test_headers_that_came_may_hold_what_could_not_be_sent() -> None:
    assert Headers([("x-token-bin", "no base64")])["x-token-bin"] == "no base64"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("x-tag", 1, "the header 'x-tag' is a int: it must be a str"),
        ("x-tag", None, "the header 'x-tag' is a NoneType: it must be a str"),
        (1, "1", "the name of a header is a int: it must be a str"),
    ],
)
def test_a_header_that_is_no_text_is_refused_where_it_is_given(name: Any, value: Any, said: str) -> None:
    headers = Headers()
    makers: list[Callable[[], object]] = [
        lambda: headers.__setitem__(name, value),
        lambda: headers.add(name, value),
        lambda: Headers({name: value}),
        lambda: Headers([(name, value)]),
    ]
    for make in makers:
        with pytest.raises(TypeError) as caught:
            make()
        assert str(caught.value) == said
    assert not headers


def test_headers_are_made_of_a_mapping_or_of_lines() -> None:
    for given in ("ab", ["ab"], 5, [("a", "b", "c")]):
        with pytest.raises(TypeError, match=r"the headers.* must be a mapping of str to str, or a list of"):
            Headers(given)  # type: ignore[arg-type]
    assert Headers(Headers([("a", "1"), ("a", "2")])).getall("a") == ("1", "2")


def test_the_version_is_that_of_the_package_and_loads_nothing_until_it_is_asked_for() -> None:
    assert landbridge.__version__ == metadata.version("landbridge")
    assert not hasattr(landbridge, "no_such_thing")
    program = """
import sys
before = set(sys.modules)
import landbridge
assert set(sys.modules) - before == {"landbridge"}, set(sys.modules) - before
assert landbridge.__version__
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
