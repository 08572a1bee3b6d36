"""Weights as the demo of *Growing Neural Cellular Automata* reads them: JSON, 8 bits a weight.

The layout is that of ``export_ca_to_webgl_demo`` in the article's notebook and of
``createDenseInfo`` in its ``public/ca.js`` (github.com/distillpub/post--growing-ca): a list of two
layers, each a texture of ``in_ch + 1`` rows, the last of them the biases, and ``out_ch`` bytes a
row. A byte stands for ``(byte / 255 - 0.5) * scale``. Like ours, the demo's perception is identity,
Sobel x, Sobel y of all channels, in that order.
"""

import base64
import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import PARAM_SPEC, flatten, unflatten
from nca_zoo.errors import ZooError

Floats = npt.NDArray[np.float32]


def pack(weights: Floats) -> list[dict[str, Any]]:
    """Both layers of one NCA, from weights ``(P,)``, rounded to 255 steps a tensor."""
    w = unflatten(weights)
    return [_layer(w["W1"].T, w["b1"]), _layer(w["W2"].T, w["b2"])]


def unpack(layers: Any) -> Floats:
    """Weights ``(P,)`` from both layers; raises ZooError for anything that is not a demo's NCA."""
    shapes = dict(PARAM_SPEC)
    if not isinstance(layers, list) or len(layers) != 2:
        raise ZooError("expected a list of two layers, as the Distill demo has them")
    w: dict[str, Any] = {}
    for number, layer in enumerate(layers, 1):
        out_ch, in_ch = shapes[f"W{number}"]
        try:
            sizes = layer["in_ch"], layer["out_ch"], layer["type"]
            levels = np.frombuffer(base64.b64decode(layer["data_b64"], validate=True), np.uint8)
            scales = np.float32(layer["weight_scale"]), np.float32(layer["bias_scale"])
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ZooError(f"layer {number}: not as the Distill demo has it ({error!r})") from None
        if sizes != (in_ch, out_ch, "uint8") or levels.size != (in_ch + 1) * out_ch:
            expected = f"{in_ch} -> {out_ch} channels of uint8"
            found = "{} -> {} of {}".format(*sizes)
            raise ZooError(f"layer {number}: expected {expected}, found {found}")
        values = levels.reshape(in_ch + 1, out_ch) / np.float32(255) - np.float32(0.5)
        w[f"W{number}"], w[f"b{number}"] = values[:-1].T * scales[0], values[-1] * scales[1]
    return flatten(w)


def _layer(weight: Floats, bias: Floats) -> dict[str, Any]:
    """One layer from ``weight`` (in, out) and ``bias`` (out,)."""
    # A layer of zeros has no scale of its own; any will do.
    scales = [2 * float(np.abs(values).max()) or 1.0 for values in (weight, bias)]
    rows = np.vstack([weight / scales[0], bias[None] / scales[1]])
    levels = np.rint((rows + 0.5) * 255).astype(np.uint8)
    return {
        "data_b64": base64.b64encode(levels.tobytes()).decode("ascii"),
        "in_ch": weight.shape[0],
        "out_ch": weight.shape[1],
        "weight_scale": scales[0],
        "bias_scale": scales[1],
        "type": "uint8",
    }
