"""What no tensor's shape tells: how a code base orders, signs and scales what its cells see and do.

Our cell sees identity, Sobel x and Sobel y of all channels, RGBA first; the Sobel filters are
``[1, 2, 1] x [-1, 0, 1] / 8``, to the right and downwards. Another's sees the same 48 numbers in
another order, with other signs, multiplied by something: a matrix times ours. Where a file holds
the filters themselves they say which.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import CHANNELS, PERCEPTION, VISIBLE, flatten
from nca_zoo.choices import PERCEPTIONS, RGBA_AT, SOBEL_ORDERS, SOBEL_SIGNS
from nca_zoo.errors import ZooError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

OUR_SCALE = 1 / 8  # of the Sobel filters
FILTERS = PERCEPTION // CHANNELS
SEES = ("perception", "sobel", "sobel_sign", "sobel_scale")  # what filters in a file say
TRIED: dict[str, tuple[Any, ...]] = {  # what code bases do, the usual first
    "perception": PERCEPTIONS,
    "sobel": SOBEL_ORDERS,
    "sobel_sign": SOBEL_SIGNS,
    "sobel_scale": (OUR_SCALE, 1 / 4, 1.0),
    "rgba": RGBA_AT,
    "step_size": (1.0, 2.0),
}


@dataclass(frozen=True)
class Convention:
    """How the weights of a code base are to be read; the defaults are ours.

    perception: ``blocks`` of all channels a filter, or ``interleaved``, all filters a channel, as
        a depthwise convolution (``groups=16``) gives them.
    sobel: which Sobel filter comes first, ``xy`` or ``yx``.
    sobel_sign: of x, then of y; ``+`` grows to the right and downwards.
    sobel_scale: what ``[1, 2, 1] x [-1, 0, 1]`` is multiplied by.
    rgba: whether R, G, B and alpha are the ``first`` four of the 16 channels or the ``last``.
    step_size: what an update is multiplied by; 2 where dropout doubles those that survive.

    Raises ZooError for a value that cannot be.
    """

    perception: str = PERCEPTIONS[0]
    sobel: str = SOBEL_ORDERS[0]
    sobel_sign: str = SOBEL_SIGNS[0]
    sobel_scale: float = OUR_SCALE
    rgba: str = RGBA_AT[0]
    step_size: float = 1.0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("perception", PERCEPTIONS),
            ("sobel", SOBEL_ORDERS),
            ("sobel_sign", SOBEL_SIGNS),
            ("rgba", RGBA_AT),
        ):
            if (value := getattr(self, name)) not in allowed:
                raise ZooError(f"{name} is {value!r}; it must be {' or '.join(allowed)}")
        for name in ("sobel_scale", "step_size"):
            if not 0 < getattr(self, name) < np.inf:
                raise ZooError(f"{name} is {getattr(self, name)}; it must be a number above 0")

    def seen(self) -> Doubles:
        """The matrix ``(48, 48)`` by which ours, of the same channels, becomes their perception."""
        filters = np.eye(FILTERS)
        for axis, sign in enumerate(self.sobel_sign, 1):
            filters[axis] *= float(f"{sign}1") * self.sobel_scale / OUR_SCALE
        if self.sobel == "yx":
            filters = filters[[0, 2, 1]]
        matrix: Doubles = np.kron(filters, np.eye(CHANNELS)).astype(np.float64)
        if self.perception == "blocks":
            return matrix
        return matrix.reshape(FILTERS, CHANNELS, -1).swapaxes(0, 1).reshape(matrix.shape)

    def weights(self, layers: Mapping[str, Floats], seen: Doubles | None = None) -> Floats:
        """Our weights ``(P,)`` from their four tensors.

        seen: the matrix of the filters that lie beside them, instead of that of ``seen``.
        """
        # Whatever they see, as blocks of filters of ours, in their order of channels
        w1 = layers["W1"].astype(np.float64) @ (self.seen() if seen is None else seen)
        order = np.roll(np.arange(CHANNELS), VISIBLE if self.rgba == "last" else 0)
        columns = (CHANNELS * np.arange(FILTERS)[:, None] + order).ravel()
        ours = {
            "W1": w1[:, columns],
            "b1": layers["b1"],
            "W2": layers["W2"][order] * self.step_size,
            "b2": layers["b2"][order] * self.step_size,
        }
        return flatten({name: np.asarray(tensor, np.float32) for name, tensor in ours.items()})

    def departures(self, usual: "Convention") -> dict[str, Any]:
        """What differs from the usual, by the name of the setting."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != getattr(usual, field.name)
        }

    def options(self, usual: "Convention") -> str:
        """What differs from the usual, as options of the command line."""
        return " ".join(
            f"--{name.replace('_', '-')} {value:g}"
            if isinstance(value, float)
            else f"--{name.replace('_', '-')} {value}"
            for name, value in self.departures(usual).items()
        )


def variants(usual: Convention, settled: Mapping[str, Any]) -> Iterator[Convention]:
    """Every reading that code bases use and that leaves what is settled, the usual one first.

    settled: settings that are known, by name; those of ``SEES`` for a file that holds its filters.
    """
    first = replace(usual, **{k: v for k, v in settled.items() if v is not None})
    choices = {
        name: dict.fromkeys([getattr(first, name), *values])
        for name, values in TRIED.items()
        if name not in settled
    }
    for values in product(*choices.values()):
        yield replace(first, **dict(zip(choices, values, strict=True)))


def seen_by(filters: npt.NDArray[Any]) -> Doubles | None:
    """What a convolution's filters see, as the matrix ``(48, 48)`` of ``Convention.seen``.

    filters: in torch's order ``(48, 1 or 16, 3, 3)`` or TensorFlow's and JAX's ``(3, 3, 1 or 16,
    48)`` or ``(3, 3, 16, 3)``, of 16 channels one by one or of all. None for other shapes. Raises
    ZooError for filters that are no mixture of identity and Sobel filters, such as learnt ones.
    """
    kernels = _in_torchs_order(filters)
    if kernels is None:
        return None
    smooth, slope = np.array([1.0, 2, 1]), np.array([-1.0, 0, 1])
    sobel_x = np.outer(smooth, slope) * OUR_SCALE
    identity = np.outer([0, 1, 0], [0.0, 1, 0])
    basis = np.stack([identity, sobel_x, sobel_x.T]).reshape(FILTERS, 9)
    flat = kernels.reshape(PERCEPTION, -1, 9)
    shares = flat @ np.linalg.pinv(basis)  # (48, 1 or 16, 3)
    if not np.abs(shares @ basis - flat).max() <= 1e-3 * np.abs(flat).max():
        raise ZooError(
            "its filters are not identity and Sobel filters (learnt ones, perhaps): cells of our "
            "rule cannot see what these see"
        )
    matrix = np.zeros((PERCEPTION, FILTERS, CHANNELS))
    if shares.shape[1] == CHANNELS:
        matrix[:] = shares.swapaxes(1, 2)
    else:  # filter by filter: a third of the outputs, one after the other, is of each channel
        outputs = np.arange(PERCEPTION)
        matrix[outputs, :, outputs // FILTERS] = shares[:, 0]
    return matrix.reshape(PERCEPTION, PERCEPTION)


def _in_torchs_order(filters: npt.NDArray[Any]) -> Doubles | None:
    """Filters as ``(48, 1 or 16, 3, 3)``; None for anything else."""
    shape = filters.shape
    if shape in ((PERCEPTION, 1, 3, 3), (PERCEPTION, CHANNELS, 3, 3)):
        return filters.astype(np.float64)
    if shape in ((3, 3, 1, PERCEPTION), (3, 3, CHANNELS, PERCEPTION)):
        return filters.astype(np.float64).transpose(3, 2, 0, 1)
    if shape == (3, 3, CHANNELS, FILTERS):  # TensorFlow's depthwise: channel, then filter
        return filters.astype(np.float64).transpose(2, 3, 0, 1).reshape(PERCEPTION, 1, 3, 3)
    return None
