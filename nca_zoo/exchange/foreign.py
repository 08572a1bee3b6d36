"""NCAs that were trained elsewhere, found among the tensors of a file of any kind.

Every format becomes tensors of some names (``readers.py``); here one search finds the rule's four
among them by their shapes, whatever their names and whether they come from a dense layer or a 1 x 1
convolution, in torch's order or TensorFlow's. What no shape tells is in ``conventions.py``.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import N_PARAMS, PARAM_SPEC, unflatten
from nca_zoo.errors import ZooError
from nca_zoo.exchange.conventions import SEES, Convention, Doubles, seen_by, variants
from nca_zoo.exchange.readers import Held, read, stem

Floats = npt.NDArray[np.float32]
Tensors = Mapping[str, npt.NDArray[Any]]

OPTIMISER = re.compile(r"_*opt(im(i[sz]er)?)?s?(_\w+)?", re.IGNORECASE)  # moments are no weights


@dataclass(frozen=True, eq=False)
class Foreign:
    """One NCA as another code base left it.

    name: the file's without its ending, or what the file calls it if it holds several.
    layers: its four tensors in our shapes.
    usual: how files of this kind are read. seen: the matrix ``(48, 48)`` that the filters beside
    them make, if there are any (``conventions.seen_by``). visible: as in ``TargetSettings``.
    """

    path: Path
    name: str
    layers: Mapping[str, Floats]
    usual: Convention
    seen: Doubles | None = None
    visible: str = "rgba"

    def readings(self, told: Mapping[str, Any]) -> Iterator[Convention]:
        """Every way to read it that agrees with what is told and what its file says."""
        return variants(self.usual, {**told, **self._said(told)})

    def weights(self, reading: Convention) -> Floats:
        """Our weights ``(P,)``; raises ZooError, naming the file, if they are not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            weights = reading.weights(self.layers, self.seen)
        if not np.isfinite(weights).all():
            raise ZooError(f"{self.path}: holds weights that are not finite")
        return weights

    def _said(self, told: Mapping[str, Any]) -> dict[str, None]:
        """The settings that the file's own filters make known; None: they are not a choice."""
        if self.seen is None:
            return {}
        if asked := [name for name in SEES if name in told]:
            raise ZooError(
                f"{self.path} holds its filters, which say what its cells see: leave out "
                f"--{asked[0].replace('_', '-')}, or leave out the filters with --ignore"
            )
        return dict.fromkeys(SEES)


def read_ncas(path: Path, ignore: Collection[str] = ()) -> list[Foreign]:
    """The NCAs in a file; raises ZooError, naming the file, if there is none or it is unfit.

    ignore: names of tensors that are no weights of the rule, or what their names begin with.
    """
    held = read(path)
    try:
        return [
            Foreign(path, name, layers, held.usual, seen, held.visible)
            for name, layers, seen in _found(held, ignore, stem(path))
        ]
    except ZooError as error:
        raise ZooError(f"{path}: {error}") from None


def read_weights(path: Path, ignore: Collection[str] = (), **told: Any) -> Floats:
    """The weights ``(P,)`` of the one NCA in a file; raises ZooError, naming the file, if unfit.

    told: settings of ``Convention`` that are not those usual for such a file.
    """
    ncas = read_ncas(path, ignore)
    if len(ncas) > 1:
        names = ", ".join(repr(nca.name) for nca in ncas[:8])
        raise ZooError(f"{path}: holds {len(ncas)} NCAs ({names}); read_ncas gives them all")
    return ncas[0].weights(next(ncas[0].readings(told)))


def weights_of(tensors: Tensors, ignore: Collection[str] = (), **told: Any) -> Floats:
    """The weights ``(P,)`` that tensors of any names hold, as ``read_weights`` has them."""
    ((name, layers, seen),) = _found(Held(tensors), ignore, "these tensors")
    nca = Foreign(Path(name), name, layers, Convention(), seen)
    return nca.weights(next(nca.readings(told)))


Place = tuple[str, ...]  # the parts of what the names of an NCA's tensors begin with
Found = tuple[str, Mapping[str, Floats], Doubles | None]


def _found(held: Held, ignore: Collection[str], file: str) -> list[Found]:
    """Name, tensors and filters' matrix of every NCA among the tensors of a file of that name."""
    tensors = _kept(held.tensors, ignore)
    groups = list(_groups(tensors))
    if not groups and (stacked := _stacked(tensors)) is not None:
        names = _names_of(held.tensors, len(stacked), file)
        return [(name, unflatten(row), None) for name, row in zip(names, stacked, strict=True)]
    if not groups:
        _layers(tensors)  # says what is missing
    names = _names_at([path for path, _ in groups], file)
    return [
        (name, _layers(group), _matrix(tensors, path))
        for name, (path, group) in zip(names, groups, strict=True)
    ]


def _kept(tensors: Tensors, ignore: Collection[str]) -> Tensors:
    """The tensors that may be layers or filters: no single numbers, texts, or an optimiser's."""
    left = {name: t for name, t in tensors.items() if _squeezed(t) and t.dtype.kind not in "SUO"}
    for unwanted in ignore:
        gone = [name for name in left if _parts(name)[: len(_parts(unwanted))] == _parts(unwanted)]
        if not gone and unwanted not in tensors:
            raise ZooError(f"no tensor {unwanted!a} to ignore; {_listed(left)}")
        left = {name: tensor for name, tensor in left.items() if name not in gone}
    return {
        name: tensor
        for name, tensor in left.items()
        if not any(OPTIMISER.fullmatch(part) for part in _parts(name))
    }


def _parts(name: str) -> Place:
    return tuple(part for part in re.split(r"[./\[\]']", name) if part)


def _stacked(tensors: Tensors) -> Floats | None:
    """Flat weights ``(N, P)``, as `nca-zoo export` writes them, if that is what tensors are."""
    flat = {
        name: tensor
        for name, tensor in tensors.items()
        if tensor.ndim in (1, 2) and tensor.shape[-1] == N_PARAMS
    }
    if not flat:
        return None
    name = "weights" if "weights" in flat else min(flat)
    return _floats(flat[name]).reshape(-1, N_PARAMS)


def _names_of(tensors: Tensors, count: int, file: str) -> list[str]:
    """What ``count`` stacked NCAs are called: by the ids beside them, else by number."""
    if count == 1:
        return [file]
    ids = tensors.get("id")
    if ids is not None and ids.shape == (count,) and ids.dtype.kind == "U":
        return ids.tolist()
    return [f"{file}-{number}" for number in range(count)]


def _groups(tensors: Tensors, at: Place = ()) -> Iterator[tuple[Place, Tensors]]:
    """The smallest groups of tensors, by what their names begin with, that may be an NCA."""
    if not all(_fitting(tensors, shape) for _, shape in PARAM_SPEC if len(shape) > 1):
        return
    inner: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, tensor in tensors.items():
        if len(parts := _parts(name)) > len(at) + 1:
            inner.setdefault(parts[len(at)], {})[name] = tensor
    within = [found for part, group in inner.items() for found in _groups(group, (*at, part))]
    if within:
        yield from within
    elif all(len(_fitting(tensors, shape)) == 1 for _, shape in PARAM_SPEC if len(shape) > 1):
        yield at, tensors


def _names_at(paths: list[Place], file: str) -> list[str]:
    """What the NCAs at these places are called: as in the collection where all of them lie."""
    if len(paths) == 1:
        return [file]
    shared = 0
    while len({path[: shared + 1] for path in paths}) == 1:
        shared += 1
    inner = [".".join(path[shared:]) for path in paths]
    return inner if shared else [f"{file}-{name}" for name in inner]


def _matrix(tensors: Tensors, path: Place) -> Doubles | None:
    """What the filters nearest to an NCA's tensors see, if there are any."""
    for depth in range(len(path), -1, -1):
        near = (t for name, t in tensors.items() if _parts(name)[:depth] == path[:depth])
        found = [matrix for tensor in near if (matrix := seen_by(tensor)) is not None]
        if any(not np.allclose(matrix, found[0]) for matrix in found):
            raise ZooError("it holds several filters that differ; leave some out with --ignore")
        if found:
            return found[0]
    return None


def _layers(tensors: Tensors) -> dict[str, Floats]:
    """The rule's four tensors among tensors of any names: each is told by its shape.

    A layer may be (out, in) or (in, out), with further sides of 1. A missing bias is zero. Raises
    ZooError if a tensor is missing, left over or in doubt.
    """
    left = dict(tensors)
    found: dict[str, Floats] = {}
    for name, shape in PARAM_SPEC:
        fits = _fitting(left, shape)
        if len(fits) > 1:
            which = " or ".join(map(ascii, fits))
            raise ZooError(f"{name} {shape} could be {which}; leave one out with --ignore")
        if not fits and len(shape) > 1:
            raise ZooError(f"nothing of shape {shape} for {name}; {_listed(tensors)}")
        found[name] = _oriented(left.pop(fits[0]), shape) if fits else np.zeros(shape, np.float32)
    left = {name: tensor for name, tensor in left.items() if seen_by(tensor) is None}
    if left:
        raise ZooError(
            f"{_listed(left)} beyond the rule's four; a tensor that was not learnt, such as "
            "fixed Sobel filters, is left out with --ignore NAME"
        )
    return found


def _fitting(tensors: Tensors, shape: tuple[int, ...]) -> list[str]:
    """Names of the tensors of a shape, one way or the other."""
    return [n for n, tensor in tensors.items() if _squeezed(tensor) in (shape, shape[::-1])]


def _squeezed(tensor: npt.NDArray[Any]) -> tuple[int, ...]:
    return tuple(side for side in tensor.shape if side != 1)


def _oriented(tensor: npt.NDArray[Any], shape: tuple[int, ...]) -> Floats:
    """A tensor in the shape wanted; no matrix of the rule is square, so its sides tell."""
    values = _floats(tensor).reshape(_squeezed(tensor))
    return values if values.shape == shape else values.T


def _floats(tensor: npt.NDArray[Any]) -> Floats:
    if tensor.dtype.kind != "f":
        raise ZooError(f"expected floating-point weights, found {tensor.dtype}")
    with np.errstate(over="ignore"):  # what is not finite is refused later
        return tensor.astype(np.float32)


def _listed(tensors: Tensors) -> str:
    named = [f"{name!a} {tensor.shape}" for name, tensor in list(tensors.items())[:8]]
    more = ["..."] if len(tensors) > len(named) else []
    return f"it holds {', '.join(named + more) or 'no tensors'}"
