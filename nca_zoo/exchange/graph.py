"""Weights in a graph of TensorFlow as JSON, the way the notebook of *Growing Neural Cellular
Automata* exports a model beside its checkpoint (``export_model``): variables have become constants.
"""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError

LAYERS = ("Conv2D", "BiasAdd", "MatMul")  # operations whose second input is learnt
SAME = ("Identity", "ReadVariableOp")  # that hand on what they get


def constants(model: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """What a graph's layers hold, by the names of nodes; raises ZooError for JSON of others."""
    try:
        nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
    except (KeyError, TypeError):
        raise ZooError(
            "JSON that is neither an NCA of the Distill demo nor a graph of TensorFlow"
        ) from None
    if model.get("weightsManifest"):
        raise ZooError("a model of TensorFlow.js whose weights lie in other files: not read here")
    found = {}
    for node in nodes.values():
        if node["op"] not in LAYERS:
            continue
        name = node["input"][1]
        for _ in range(len(nodes)):
            if nodes[name]["op"] not in SAME:
                break
            name = nodes[name]["input"][0]
        if nodes[name]["op"] == "Const":
            found[name] = _constant(name, nodes[name]["attr"]["value"]["tensor"])
    return found


def _constant(name: str, tensor: dict[str, Any]) -> npt.NDArray[np.float32]:
    """A constant of float32, written as bytes or as a list of numbers."""
    if tensor["dtype"] != "DT_FLOAT":
        raise ZooError(f"{name!a} is of type {tensor['dtype']!a}, not of float32")
    shape = [int(side["size"]) for side in tensor["tensorShape"].get("dim", [])]
    if "tensorContent" in tensor:
        values = np.frombuffer(base64.b64decode(tensor["tensorContent"], validate=True), "<f4")
    else:
        values = np.array(tensor.get("floatVal", []), np.float32)
        if values.size == 1:  # all are the same
            values = np.broadcast_to(values, min(int(np.prod(shape, dtype=object)), 1 << 20))
    if values.size != np.prod(shape, dtype=object):
        raise ZooError(f"{name!a} of shape {tuple(shape)[:8]} is cut short or damaged")
    return values.reshape(shape)
