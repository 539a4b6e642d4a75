"""The files of a chunk, each read once -> what its instances ask."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from engine.bench.chunk import Chunk
from engine.bench.instances import Instance
from engine.bench.questions import Asked, ask, demand_one, load_specification, sha256_of, specification_of
from engine.errors import EngineError, InputError
from engine.network import Network
from engine.network_file import load_network, network_of, sha256_in
from engine.onnx_file import Whole
from engine.property import Property
from engine.query import Query

File = TypeVar("File", Network, Property | Query)


def reason_of(error: BaseException) -> str:
    """Says in a line why an instance has no verdict."""
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return "out of memory"
    return f"internal error: {type(error).__name__}: {error}"


class Reader:
    """Reads what the instances of a chunk ask."""

    def __init__(self, chunk: Chunk):
        self._network = cache(partial(_load, chunk, read=_network))
        self._specification = cache(partial(_load, chunk, read=_specification))

    def asked(self, instance: Instance) -> Asked:
        """What the instance asks. InputError where a file is of no use, they do not fit, or no answer can be given.

        Errors of questions about several networks, and of those in VNN-LIB 2.0, name the row.
        """
        is_query = False
        try:
            if instance.fault:
                raise InputError(instance.fault)
            specification = self._specification(instance.names[1], instance.property)
            is_query = isinstance(specification, Query)
            if isinstance(specification, Property):
                demand_one(instance, specification)
            networks = [_good(self._network(each.name, each.path, each.units)) for each in instance.networks]
            if isinstance(specification, InputError):
                raise specification
            return ask(instance, networks, specification)
        except InputError as error:
            if not (len(instance.networks) > 1 or instance.is_named or is_query):
                raise
            where = ": ".join(filter(None, (instance.where, error.where)))
            raise InputError(error.what, where=where, advice=error.advice) from None


def _load(
    chunk: Chunk,
    name: str,
    path: Path,
    units: str | None = None,
    *,
    read: Callable[[Path, str | None, Mapping[Path, Whole]], File],
) -> File | InputError:
    """The network or specification in the file, or why it is of no use. units: of a `.nnet` file."""
    try:
        found = read(path, units, chunk.files)
    except Exception as error:
        return error if isinstance(error, InputError) else InputError(reason_of(error))
    sha256 = found.sha256 if isinstance(found, Network) else sha256_of(found)
    noted = chunk.hashes.get(name, "")
    same = noted == "" or (noted is not None and sha256 == sha256_in(noted, units))
    return found if same else InputError("it has changed since the run began", where=str(path))


def _good(found: Network | InputError) -> Network:
    """The network; raises what was found instead."""
    if isinstance(found, InputError):
        raise found
    return found


def _network(path: Path, units: str | None, files: Mapping[Path, Whole]) -> Network:
    return network_of(files[path], path, units=units) if path in files else load_network(path, units=units)


def _specification(path: Path, _units: str | None, files: Mapping[Path, Whole]) -> Property | Query:
    return specification_of(files[path].data, path) if path in files else load_specification(path)
