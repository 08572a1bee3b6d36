"""Files of NCAs that were trained elsewhere, and the weights in them.

Reads safetensors, torch state dicts and the JSON of the Distill demo, none of which can run code
here. Tensors are told by their shapes, whatever their names and whether they come from a dense
layer or a 1 x 1 convolution, in torch's order or TensorFlow's.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import CHANNELS, PARAM_SPEC, flatten, unflatten
from nca_zoo.choices import PERCEPTIONS
from nca_zoo.errors import ZooError, printable
from nca_zoo.exchange.distill import unpack
from nca_zoo.store.settings import Settings

Floats = npt.NDArray[np.float32]
Tensors = dict[str, npt.NDArray[Any]]

MAX_BYTES = 1 << 28  # an NCA has 33 KB, a training checkpoint some MB
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "params")


def read_weights(path: Path, perception: str = "blocks", ignore: Collection[str] = ()) -> Floats:
    """The weights ``(P,)`` of the one NCA in a file; raises ZooError, naming the file, if unfit.

    perception, ignore: as in ``weights_of``; the demo's JSON needs neither.
    """
    tensors = read_tensors(path)
    try:
        if path.suffix.lower() == ".json":
            perception = "blocks"  # the one order that the demo knows
        return weights_of(tensors, perception, ignore)
    except ZooError as error:
        raise ZooError(f"{path}: {error}") from None


def read_visible(path: Path) -> str:
    """What is seen of the NCA in a file: ``grey`` if the file says so, else ``rgba``.

    A file says so that `nca-zoo export` wrote as safetensors: it has the zoo's settings with it.
    """
    if path.suffix.lower() != ".safetensors":
        return "rgba"
    try:
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            return Settings(json.loads((file.metadata() or {})["settings"])).visible
    except Exception:  # a foreign file may have no settings, or others, of any form
        return "rgba"


def read_tensors(path: Path) -> Tensors:
    """Every named tensor in a file; raises ZooError, naming the file, if it cannot be read."""
    try:
        read = READERS[path.suffix.lower()]
    except KeyError:
        raise ZooError(f"{path}: the name must end in one of {', '.join(READERS)}") from None
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ZooError(f"{path}: larger than {MAX_BYTES >> 20} MB; one NCA has 33 KB")
        return read(path)
    except FileNotFoundError:
        raise ZooError(f"{path}: no such file") from None
    except ZooError as error:
        text = str(error)
        raise ZooError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except Exception as error:  # damaged and hostile files fail in a dozen ways
        words = " ".join(str(error).split())[:120] or type(error).__name__
        words = printable(words)
        raise ZooError(f"{path}: cannot be read ({words})") from None


def weights_of(
    tensors: Mapping[str, npt.NDArray[Any]],
    perception: str = "blocks",
    ignore: Collection[str] = (),
) -> Floats:
    """The weights ``(P,)`` that tensors of any names hold: each is told by its shape.

    A layer may be (out, in) or (in, out), with further sides of 1. A missing bias is zero.
    perception: the order of the 48 numbers that a cell sees. ``blocks`` is ours: identity of all
    channels, then Sobel x, then Sobel y. ``interleaved`` is that of a depthwise convolution: the
    three of channel 0, then those of channel 1.
    ignore: names of tensors that are no weights of the rule.

    Raises ZooError if a tensor is missing, left over, in doubt or not finite.
    """
    if perception not in PERCEPTIONS:
        raise ZooError(f"perception is {perception!r}; it must be {' or '.join(PERCEPTIONS)}")
    left = {name: tensor for name, tensor in tensors.items() if name not in ignore}
    if unknown := set(ignore) - set(tensors):
        raise ZooError(f"no tensor {min(unknown)!a} to ignore; {_listed(tensors)}")
    found: dict[str, Floats] = {}
    for name, shape in PARAM_SPEC:
        fits = [n for n, tensor in left.items() if _squeezed(tensor) in (shape, shape[::-1])]
        if len(fits) > 1:
            which = " or ".join(map(ascii, fits))
            raise ZooError(f"{name} {shape} could be {which}; leave one out with --ignore")
        if not fits and len(shape) > 1:
            raise ZooError(f"nothing of shape {shape} for {name}; {_listed(tensors)}")
        found[name] = _oriented(left.pop(fits[0]), shape) if fits else np.zeros(shape, np.float32)
    if left:
        raise ZooError(
            f"{_listed(left)} beyond the rule's four; a tensor that was not learnt, such as "
            "fixed Sobel filters, is left out with --ignore NAME"
        )
    if perception == "interleaved":
        found["W1"] = _unravelled(found["W1"])
    weights = flatten(found)
    if not np.isfinite(weights).all():
        raise ZooError("holds weights that are not finite")
    return weights


def _squeezed(tensor: npt.NDArray[Any]) -> tuple[int, ...]:
    return tuple(side for side in tensor.shape if side != 1)


def _oriented(tensor: npt.NDArray[Any], shape: tuple[int, ...]) -> Floats:
    """A tensor in the shape wanted; no matrix of the rule is square, so its sides tell."""
    if tensor.dtype.kind != "f":
        raise ZooError(f"expected floating-point weights, found {tensor.dtype}")
    values = tensor.reshape(_squeezed(tensor)).astype(np.float32)
    return values if values.shape == shape else values.T


def _unravelled(w1: Floats) -> Floats:
    """W1 ``(128, 48)`` whose columns go channel by channel, as ours, filter by filter."""
    return w1.reshape(-1, CHANNELS, 3).transpose(0, 2, 1).reshape(w1.shape)


def _listed(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    named = [f"{name!a} {tensor.shape}" for name, tensor in list(tensors.items())[:8]]
    more = ["..."] if len(tensors) > len(named) else []
    return f"it holds {', '.join(named + more) or 'no tensors'}"


def _safetensors(path: Path) -> Tensors:
    try:
        from safetensors.numpy import load_file
    except ModuleNotFoundError:
        raise ZooError(
            "needs safetensors, which is not installed: pip install 'nca-zoo[export]'"
        ) from None
    return load_file(path)


def _torch(path: Path) -> Tensors:
    import torch

    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # its messages run to a page
        raise ZooError(
            "not a state dict that torch can load without running code from it; save "
            "model.state_dict() rather than the model"
        ) from None
    for name in WRAPPERS:
        if isinstance(held, Mapping) and isinstance(held.get(name), Mapping):
            held = held[name]
    if not isinstance(held, Mapping):
        raise ZooError(f"expected a state dict of named tensors, found {type(held).__name__}")
    return {
        str(name): tensor.detach().float().numpy()
        if tensor.is_floating_point()
        else tensor.detach().numpy()
        for name, tensor in held.items()
        if isinstance(tensor, torch.Tensor)
    }


def _demo_json(path: Path) -> Tensors:
    return unflatten(unpack(json.loads(path.read_text(encoding="utf-8"))))


READERS = {
    ".safetensors": _safetensors,
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), _torch),
    ".json": _demo_json,
}
