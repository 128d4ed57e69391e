"""HTTP headers as Python sees them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, Sequence

from landbridge._core import check_header

__all__ = ["Headers"]

Lines = list[tuple[str, str]]
"""Header lines, name and value, in order."""

RawLines = list[tuple[bytes, bytes]]
"""The same as other people's servers and HTTP clients have them."""


GivenHeaders = Mapping[str, str] | Sequence[tuple[str, str]]
"""What headers may be made of: a mapping, such as `Headers`, or lines."""


class Headers(MutableMapping[str, str]):
    """Header lines by name, whatever the case of the name.

    As a mapping each name has its first value. `add`, `getall` and `allitems` know all of them, in order.
    Values of binary headers (names that end in `-bin`) are base64.

    To set what cannot be sent raises `ValueError`: a name or value that HTTP cannot carry, a binary header
    that is not base64. What they are made of is looked at only when it is sent. What is no text raises
    `TypeError` at once.
    """

    __slots__ = ("_values",)

    def __init__(self, items: GivenHeaders = ()) -> None:
        self._values: dict[str, list[str]] = {}
        if items != ():
            self._extend(lines_of("the headers", items))

    @classmethod
    def _received(cls, lines: Lines) -> Headers:
        """Make some of lines that are known to be text."""
        headers = cls()
        headers._extend(lines)
        return headers

    def __getitem__(self, key: str) -> str:
        return self._values[key.lower()][0]

    def __setitem__(self, key: str, value: str) -> None:
        """Replace all values of this name by one."""
        if not (isinstance(key, str) and isinstance(value, str)):
            _refuse(key, value)
        check_header(key, value)
        self._values[key.lower()] = [value]

    def __delitem__(self, key: str) -> None:
        del self._values[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._values

    def __repr__(self) -> str:
        return f"Headers({list(self.allitems())!r})"

    def add(self, key: str, value: str) -> None:
        """Add a value, and keep those that the name has."""
        if not (isinstance(key, str) and isinstance(value, str)):
            _refuse(key, value)
        check_header(key, value)
        self._extend([(key, value)])

    def getall(self, key: str) -> Sequence[str]:
        """All values of a name, in order; none for a name that is not there."""
        return tuple(self._values.get(key.lower(), ()))

    def allitems(self) -> ItemsView[str, str]:
        """Every name and value, names with several values several times."""
        return _AllItems(self)

    def clear(self) -> None:
        """Remove everything."""
        self._values.clear()

    def _extend(self, lines: Lines) -> None:
        for name, value in lines:
            self._values.setdefault(name.lower(), []).append(value)

    def _lines(self) -> list[tuple[str, str]]:
        return [(name, value) for name, values in self._values.items() for value in values]


_WANTED = "it must be a mapping of str to str, or a list of such pairs"


def lines_of(what: str, given: GivenHeaders) -> Lines:
    """The lines of a mapping, or of pairs. Raises `TypeError` for what is neither, and for what is no text.

    Mappings of others that know names with several values are asked for all of them. Errors name classes and
    no values, which may be secrets.
    """
    lines: Lines
    if hasattr(given, "allitems"):
        lines = list(given.allitems())
    elif isinstance(given, Mapping):
        lines = list(given.items())
    elif isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise TypeError(f"{what} is a {type(given).__name__}: {_WANTED}")
    else:
        lines = list(given)
        for index, line in enumerate(lines):
            if not isinstance(line, (tuple, list)) or len(line) != 2:
                raise TypeError(f"{what}[{index}] is a {type(line).__name__}: {_WANTED}")
            lines[index] = (line[0], line[1])
    for name, value in lines:
        if not (isinstance(name, str) and isinstance(value, str)):
            _refuse(name, value)
    return lines


def _refuse(name: object, value: object) -> None:
    """Raise `TypeError` for a line that is no text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a header is a {type(name).__name__}: it must be a str")
    encoded = ", in base64 for a binary header" if isinstance(value, bytes) else ""
    raise TypeError(f"the header {name!r} is a {type(value).__name__}: it must be a str{encoded}")


class _AllItems(ItemsView[str, str]):
    """A view of all lines of some headers."""

    def __init__(self, headers: Headers) -> None:
        super().__init__(headers)
        self._headers = headers

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._headers._lines())

    def __len__(self) -> int:
        return len(self._headers._lines())

    def __contains__(self, item: object) -> bool:
        return item in self._headers._lines()
