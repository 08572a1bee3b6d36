"""Files of others, each kind read to tensors by name; none can run code here.

To read another kind, add a line to ``READERS``.
"""

import json
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import unflatten
from nca_zoo.errors import ZooError, one_line
from nca_zoo.exchange import tensor_bundle
from nca_zoo.exchange.conventions import Convention
from nca_zoo.exchange.distill import unpack
from nca_zoo.exchange.graph import constants
from nca_zoo.store.hdf5 import raw_dataset
from nca_zoo.store.settings import Settings

Tensors = Mapping[str, npt.NDArray[Any]]

MAX_BYTES = 1 << 28  # an NCA has 33 KB, a training checkpoint some MB
SAFE_TORCH = (2, 10)  # before it, weights_only could be got round: CVE-2025-32434, CVE-2026-24747
OURS = Convention()
DEPTHWISE = Convention(perception="interleaved")  # the notebook of Growing NCA, and most others


@dataclass(frozen=True)
class Held:
    """What a file holds. usual: how files of its kind are read. visible: what it says is seen."""

    tensors: Tensors
    usual: Convention = OURS
    visible: str = "rgba"


def read(path: Path) -> Held:
    """Every tensor in a file, by name; raises ZooError, naming the file, if it cannot be read."""
    file = _file_of(path)
    reader = READERS.get(file.suffix.lower())
    if path.is_dir():
        raise ZooError(f"{path}: a folder; what Orbax keeps in one goes by NPZ: docs/import.md")
    if reader is None:
        endings = ", ".join(READERS)
        raise ZooError(f"{path}: the name must end in one of {endings}, or be that of a checkpoint")
    try:
        _small(file.stat().st_size)
        return reader(file)
    except FileNotFoundError as error:
        missing = Path(error.filename or path)
        raise ZooError(f"{missing}: no such file") from None
    except ZooError as error:
        raise ZooError(f"{path}: {error}") from None
    except Exception as error:  # damaged and hostile files fail in a dozen ways
        raise ZooError(f"{path}: cannot be read ({one_line(error)})") from None


def _file_of(path: Path) -> Path:
    """The file to begin with: TensorFlow calls a checkpoint by what its files' names begin with."""
    index = path.with_name(path.name.partition(".data-")[0] + ".index")
    return index if path.suffix.lower() not in READERS and index.exists() else path


def stem(path: Path) -> str:
    """A file's name without its ending, if that is one of those that are read here."""
    name = path.name.partition(".data-")[0]
    return name.removesuffix(path.suffix) if path.suffix.lower() in READERS else name


def _small(size: int) -> None:
    """Raise ZooError if so many bytes are more than any file of an NCA has."""
    if size > MAX_BYTES:
        raise ZooError(f"larger than {MAX_BYTES >> 20} MB; one NCA has 33 KB")


def _visible(settings: Any) -> str:
    """What is seen of the NCAs of a zoo with such settings, which any file may claim to be."""
    try:
        return Settings(json.loads(settings)).visible
    except Exception:
        return "rgba"


def _safetensors(path: Path) -> Held:
    try:
        from safetensors import deserialize, safe_open
    except ModuleNotFoundError:
        raise ZooError(
            "needs safetensors, which is not installed: pip install 'nca-zoo[export]'"
        ) from None
    tensors = {}
    for name, told in deserialize(path.read_bytes()):
        dtype = SAFETENSORS.get(told["dtype"])
        if dtype is None:
            raise ZooError(f"{name!a} is of type {told['dtype']}, which numpy does not have")
        values = np.frombuffer(told["data"], dtype).reshape(told["shape"])
        tensors[name] = _of_bfloat16(values) if told["dtype"] == "BF16" else values
    with safe_open(path, framework="numpy") as file:
        about = file.metadata() or {}
    ids = _texts(about.get("id"))
    return Held(tensors | ids, visible=_visible(about.get("settings")))


SAFETENSORS = {  # its types, little-endian; BF16 as its bits
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def _of_bfloat16(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """The numbers that bfloat16 has: the upper halves of float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _texts(value: str | None) -> dict[str, npt.NDArray[np.str_]]:
    """The ids of a whole zoo's file, which are a JSON list in its metadata."""
    try:
        ids = json.loads(value or "")
    except ValueError:  # one NCA's id stands there plainly
        return {}
    return {"id": np.array([str(text) for text in ids])} if isinstance(ids, list) else {}


def _torch(path: Path) -> Held:
    import torch
    from torch.serialization import safe_globals

    if tuple(map(int, torch.__version__.split(".")[:2])) < SAFE_TORCH:
        raise ZooError(
            f"torch {torch.__version__} can be made to run code by such a file (CVE-2026-24747); "
            f"pip install 'torch>={SAFE_TORCH[0]}.{SAFE_TORCH[1]}', or convert it to safetensors"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as parts:
            _small(sum(part.file_size for part in parts.infolist()))
    try:
        with safe_globals(_numpys_own()):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # its messages run to a page
        raise ZooError(
            "not a state dict that torch can load without running code from it; save "
            "model.state_dict() rather than the model"
        ) from None
    if not isinstance(held, Mapping):
        raise ZooError(f"expected a state dict of named tensors, found {type(held).__name__}")
    found = dict(_leaves(held))
    _small(sum(4 * value.numel() for value in found.values() if isinstance(value, torch.Tensor)))
    tensors = {
        name: _of_torch(value) if isinstance(value, torch.Tensor) else np.asarray(value)
        for name, value in found.items()
        if isinstance(value, torch.Tensor | np.ndarray | np.generic)
    }
    return Held(tensors, visible=_visible(found.get("attributes.settings")))


def _numpys_own() -> list[Any]:
    """What numbers and arrays of numpy in a torch file are made of: data, and nothing that acts."""
    multiarray = np.array(0).__reduce__()[0].__module__
    made = [np.dtype, np.ndarray, *{type(np.dtype(code)) for code in "?bBhHiIlLqQefdSU"}]
    scalar, rebuild = np.float64(0).__reduce__()[0], np.array(0).__reduce__()[0]
    old = multiarray.replace("numpy._core", "numpy.core")  # as numpy 1 called it
    names = [(scalar, f"{old}.scalar"), (rebuild, f"{old}._reconstruct")]
    return [*made, scalar, rebuild, *names]


def _of_torch(tensor: Any) -> npt.NDArray[Any]:
    plain = tensor.detach()
    return (plain.float() if plain.is_floating_point() else plain).resolve_conj().numpy()


def _leaves(held: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """What lies in nested mappings and lists, by the names on the way, joined by dots."""
    if depth > 16:
        raise ZooError("its mappings are nested too deeply")
    inner = enumerate(held) if isinstance(held, list | tuple) else held.items()
    for key, value in inner:
        name = f"{at}.{key}" if at else str(key)
        if isinstance(value, Mapping | list | tuple):
            yield from _leaves(value, name, depth + 1)
        else:
            yield name, value


def _npz(path: Path) -> Held:
    tensors = {}
    with zipfile.ZipFile(path) as parts:
        _small(sum(part.file_size for part in parts.infolist()))
        for part in parts.infolist():
            with parts.open(part) as file:
                tensors[part.filename.removesuffix(".npy")] = _npy(file, part.file_size)
    about = _object(tensors.pop("attributes", None))
    return Held(tensors, visible=_visible(about.get("settings")))


def _npy(file: IO[bytes], size: int) -> npt.NDArray[Any]:
    """One array of an NPZ file, whose header claims no more than there is."""
    npy = np.lib.format
    heads = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in heads:
        raise ZooError(f"its arrays are of NPY version {version}, which is not read here")
    shape, fortran, dtype = heads[version](file)
    count = int(np.prod(shape, dtype=object))
    if dtype.hasobject or count * dtype.itemsize > size:
        raise ZooError("holds an array of Python objects, or one that is larger than its file")
    values = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
    return values.reshape(shape, order="F" if fortran else "C")


def _object(text: npt.NDArray[Any] | None) -> dict[str, Any]:
    """The JSON object in an array of one text, or nothing."""
    try:
        value = json.loads(str(text))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _json(path: Path) -> Held:
    value = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(value, dict):
        return Held(constants(value), DEPTHWISE)
    return Held(unflatten(unpack(value)))


def _checkpoint(path: Path) -> Held:
    return Held(tensor_bundle.read(path, MAX_BYTES), DEPTHWISE)


def _hdf5(path: Path) -> Held:
    tensors = {}
    with h5py.File(path, "r", locking=False) as file:
        if "param_spec" in file.attrs:
            raise ZooError("a zoo: `nca-zoo merge` puts it into another")
        names: list[str] = []
        file.visit(names.append)  # which follows no links
        for name in names:
            if isinstance(file[name], h5py.Dataset):
                dataset, why = raw_dataset(file, name)
                if dataset is None:
                    raise ZooError(f"{name!a}: {why}")
                _small(dataset.dtype.itemsize * math.prod(dataset.shape))
                tensors[name] = file[name][()]
    return Held({n: t for n, t in tensors.items() if isinstance(t, np.ndarray)}, DEPTHWISE)


def _msgpack(path: Path) -> Held:
    try:
        import msgpack
    except ModuleNotFoundError:
        raise ZooError(
            "needs msgpack, which is not installed: pip install 'nca-zoo[export]'"
        ) from None

    def array(kind: int, data: bytes) -> Any:
        if kind not in (1, 3):  # Flax's arrays, and numbers of numpy
            return None
        shape, name, values = msgpack.unpackb(data)
        if name == "bfloat16":
            return _of_bfloat16(np.frombuffer(values, "<u2").reshape(shape))
        return np.frombuffer(values, np.dtype(name)).reshape(shape)

    held = msgpack.unpackb(path.read_bytes(), ext_hook=array, strict_map_key=False)
    if not isinstance(held, dict):
        raise ZooError(f"expected named tensors, found {type(held).__name__}")
    found = dict(_leaves(held))
    return Held({name: value for name, value in found.items() if isinstance(value, np.ndarray)})


READERS: dict[str, Callable[[Path], Held]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), _torch),
    ".json": _json,
    ".index": _checkpoint,
    **dict.fromkeys((".h5", ".hdf5"), _hdf5),
    ".msgpack": _msgpack,
}
