"""What applications say of their schemas, looked up as clients of reflection ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pool import DescriptorPool

from landbridge import _schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.descriptor import FileDescriptor

    from landbridge.server import ConnectASGIApplication, ConnectWSGIApplication

    Application = ConnectASGIApplication[Any] | ConnectWSGIApplication


class Described:
    """The services of applications, and the files that they are declared in, with all that these import."""

    def __init__(self) -> None:
        self._applications: list[Application] = []
        self._pools: list[DescriptorPool] | None = None

    def add(self, applications: Iterable[Application]) -> None:
        """Tell of applications, each once."""
        self._applications += [new for new in applications if new not in self._applications]
        self._pools = None

    @property
    def services(self) -> list[str]:
        """The full names of all services."""
        return sorted({name for application in self._applications for name in application._service_names})

    def file(self, name: str) -> list[bytes] | None:
        """A file by its name, serialized, and the files that it imports."""
        return self._found(lambda pool: pool.FindFileByName(name))

    def file_of(self, symbol: str) -> list[bytes] | None:
        """The file that declares a symbol, by its full name."""
        found = self._found(lambda pool: pool.FindFileContainingSymbol(symbol))
        if found is None and "." in symbol:
            # Pools do not know all that is within a service, message or enum by its full name.
            return self._found(lambda pool: _file_of_part(pool, *symbol.rsplit(".", 1)))
        return found

    def file_of_extension(self, message: str, number: int) -> list[bytes] | None:
        """The file that declares the extension of a message with this number."""

        def find(pool: DescriptorPool) -> FileDescriptor:
            extension: Any = pool.FindExtensionByNumber(pool.FindMessageTypeByName(message), number)
            file: FileDescriptor = extension.file
            return file

        return self._found(find)

    def extension_numbers(self, message: str) -> list[int] | None:
        """The numbers of all extensions of a message; none for a message that nobody knows."""
        numbers: list[int] | None = None
        for pool in self._known():
            try:
                found = pool.FindAllExtensions(pool.FindMessageTypeByName(message))
            except KeyError:
                continue
            numbers = [*(numbers or []), *(extension.number for extension in found)]
        return None if numbers is None else sorted(set(numbers))

    def _found(self, find: Callable[[DescriptorPool], FileDescriptor]) -> list[bytes] | None:
        for pool in self._known():
            try:
                return [file.serialized_pb for file in _with_imports(find(pool))]
            except KeyError:
                continue
        return None

    def _known(self) -> list[DescriptorPool]:
        if self._pools is None:
            # Of a file that landbridge brings and others have too, its own is told.
            pools = dict.fromkeys(_pools(self._applications))
            self._pools = sorted(pools, key=lambda pool: pool is not _schemas.pool())
        return self._pools


def _with_imports(file: FileDescriptor) -> Iterable[FileDescriptor]:
    """A file and all that it imports, each once, the file itself first."""
    found = {file.name: file}
    left = [file]
    while left:
        for imported in left.pop().dependencies:
            if imported.name not in found:
                found[imported.name] = imported
                left.append(imported)
    return found.values()


def _file_of_part(pool: DescriptorPool, whole: str, part: str) -> FileDescriptor:
    """The file of a method, field, oneof or value. Raises `KeyError` where there is none."""
    for find, parts in (
        (pool.FindServiceByName, ("methods_by_name",)),
        (pool.FindMessageTypeByName, ("fields_by_name", "oneofs_by_name", "enum_values_by_name")),
        (pool.FindEnumTypeByName, ("values_by_name",)),
    ):
        try:
            descriptor: Any = find(whole)
        except KeyError:
            continue
        if any(part in getattr(descriptor, kind) for kind in parts):
            file: FileDescriptor = descriptor.file
            return file
    raise KeyError(part)


def _pools(applications: Iterable[Application]) -> Iterator[DescriptorPool]:
    """The pools that the services of applications are described in."""
    of_protobuf_py: dict[str, Any] = {}
    for application in applications:
        if application._desc is not None:
            service = application._desc()
            if hasattr(service, "type_name"):
                _collect(service.file, of_protobuf_py)
            else:
                yield service.file.pool
        else:
            # Written by hand: its messages are all that it can describe.
            for operation in application._operations.values():
                for message in (operation.method.input, operation.method.output):
                    descriptor = getattr(message, "DESCRIPTOR", None)
                    if descriptor is not None:
                        yield descriptor.file.pool
    if of_protobuf_py:
        pool = DescriptorPool()
        for file in of_protobuf_py.values():
            pool.AddSerializedFile(file.proto.to_binary())
        yield pool


def _collect(file: Any, found: dict[str, Any]) -> None:
    """Files of protobuf-py, those that are imported before those that import them."""
    for imported in file.dependencies:
        _collect(imported, found)
    found.setdefault(file.name, file)
