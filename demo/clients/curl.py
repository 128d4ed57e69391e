"""curl: what a person types."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from talk.v1 import talk_pb2

from demo.rows import Row, expect

SERVICE = "talk.v1.TalkService"
JSON = ("-H", "content-type: application/json")


def rows(origin: str) -> Iterator[Row]:
    """Connect JSON by POST and by GET, an error, over both HTTP versions."""
    for http, flag in (("1.1", "--http1.1"), ("2", "--http2-prior-knowledge")):
        checks: dict[str, Callable[[str, str, str], str]] = {
            "unary by POST": _post,
            "unary by GET": _get,
            "error with details": _error,
        }
        for call, check in checks.items():
            yield Row("curl", "Connect JSON", http, call, partial(check, origin, http, flag))


def lines_to_try(origin: str) -> Sequence[str]:
    """Return command lines for a person to paste."""
    say = f"{origin}/{SERVICE}/Say"
    look = f"{origin}/{SERVICE}/Look?connect=v1&encoding=json&message={quote('{}')}"
    fail = f"{origin}/{SERVICE}/Fail"
    post = "curl -i -H 'content-type: application/json' -d"
    return (
        f"""{post} '{{"sentence": "hello"}}' {say}""",
        f"""{post} '{{"sentence": "hello"}}' --http2-prior-knowledge {say}""",
        f"""{post} '{{"code": 5, "message": "nobody here"}}' {fail}""",
        f"curl -i '{look}'",
    )


@dataclass(frozen=True)
class _Answer:
    http: str
    status: int
    content_type: str
    body: Any


def _curl(*arguments: str) -> _Answer:
    facts = "\n%{http_version} %{http_code} %{content_type}"
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "10", "-w", facts, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    text, _, last = done.stdout.rpartition("\n")
    http, status, content_type = last.split(" ", 2)
    try:
        body = json.loads(text)
    except ValueError:
        raise AssertionError(f"HTTP {status} {content_type}, not JSON: {text}") from None
    return _Answer(http, int(status), content_type, body)


def _post(origin: str, http: str, flag: str) -> str:
    answer = _curl(flag, *JSON, "-d", '{"sentence": "hello"}', f"{origin}/{SERVICE}/Say")
    # The padding is empty, so JSON leaves it out; an int64 is a string in JSON.
    wanted = {"sentence": "You said: hello", "letters": "5"}
    expect("answer", answer, _Answer(http, 200, "application/json", wanted))
    return json.dumps(answer.body)


def _get(origin: str, http: str, flag: str) -> str:
    message = quote(json.dumps({"name": "never called"}))
    url = f"{origin}/{SERVICE}/Look?connect=v1&encoding=json&message={message}"
    answer = _curl(flag, url)
    expect("answer", answer, _Answer(http, 200, "application/json", {}))
    return "{}: nothing is known of that call"


def _error(origin: str, http: str, flag: str) -> str:
    answer = _curl(flag, *JSON, "-d", '{"code": 5, "message": "50% café"}', f"{origin}/{SERVICE}/Fail")
    expect("HTTP status", (answer.http, answer.status), (http, 404))
    expect("content type", answer.content_type, "application/json")
    expect("code", answer.body["code"], "not_found")
    expect("message", answer.body["message"], "50% café")
    (detail,) = answer.body["details"]
    expect("type of the detail", detail["type"], "talk.v1.Reason")
    value: str = detail["value"]
    expect("value is unpadded", value.endswith("="), False)
    reason = talk_pb2.Reason.FromString(base64.b64decode(value + "=" * (-len(value) % 4)))
    expect("reason", reason.text, "because of 50% café")
    return f"404 not_found: {answer.body['message']}, {reason.text}"
