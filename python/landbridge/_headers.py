"""HTTP headers as Python sees them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, Sequence

from landbridge._core import check_header

__all__ = ["Headers"]

Lines = list[tuple[str, str]]
"""Header lines, name and value, in order."""

RawLines = list[tuple[bytes, bytes]]
"""The same as other people's servers and HTTP clients have them."""


class Headers(MutableMapping[str, str]):
    """Header lines by name, whatever the case of the name.

    As a mapping each name has its first value. `add`, `getall` and `allitems` know all of them, in order.
    Values of binary headers (names that end in `-bin`) are base64.

    To set what cannot be sent raises `ValueError`: a name or value that HTTP cannot carry, a binary header
    that is not base64. What they are made of is looked at only when it is sent.
    """

    __slots__ = ("_values",)

    def __init__(self, items: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in items.items() if isinstance(items, Mapping) else items:
            self._append(name, value)

    def __getitem__(self, key: str) -> str:
        return self._values[key.lower()][0]

    def __setitem__(self, key: str, value: str) -> None:
        """Replace all values of this name by one."""
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
        check_header(key, value)
        self._append(key, value)

    def getall(self, key: str) -> Sequence[str]:
        """All values of a name, in order; none for a name that is not there."""
        return tuple(self._values.get(key.lower(), ()))

    def allitems(self) -> ItemsView[str, str]:
        """Every name and value, names with several values several times."""
        return _AllItems(self)

    def clear(self) -> None:
        """Remove everything."""
        self._values.clear()

    def _append(self, key: str, value: str) -> None:
        self._values.setdefault(key.lower(), []).append(value)

    def _lines(self) -> list[tuple[str, str]]:
        return [(name, value) for name, values in self._values.items() for value in values]


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
