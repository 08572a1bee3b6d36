"""Undoing the symmetry: bring an NCA close to another, to a standard form, or to what is invariant.

``canonicaliser`` needs no reference, ``aligner`` does; both answer with an element of the group
(nca_zoo/symmetry/group.py), so that the aligned NCA grows what it always grew. ``invariants`` are
numbers that no element changes. docs/symmetry.md says what each of them recovers and what it does
not.

All take many NCAs at once, by leading axes of their weights: the matrices of one are so small that
calling for them takes longer than computing them. What becomes of an NCA never depends on others.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.linalg import null_space
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.rule import CHANNELS, VISIBLE, Array, unflatten
from nca_zoo.symmetry.group import Element, Ints, act, compose, identity, seed_vector

AT_ONCE = 16  # NCAs that are moved together: their weights stay in the cache
ROUNDS = 8  # of alternating between units and basis, at most
LEAST_GAIN = 1e-4  # of the distance, or the alternation ends
NEWTON_STEPS = 6
NEAR = 0.5  # of a change of basis to the one that changes nothing
CYCLES = 4  # traces of words of up to so many letters

H, V = slice(VISIBLE, CHANNELS), slice(0, VISIBLE)


def canonicaliser(weights: Array, seed_hidden: bool = True) -> Element:
    """The element that takes weights ``(..., P)`` to the standard form of their orbit.

    In that form every unit is balanced (its visible outgoing weights are as long as what it makes
    of b1, the seed and b2), hidden channels are orthonormal under W1, sorted along the principal
    axes of W2, red, green and blue orthogonal to them, and units are sorted by length. Unique
    unless two axes or two units tie.
    """
    balance = replace(identity(), scales=_unit_scales(weights, seed_hidden))
    balanced = act(balance, np.asarray(weights, np.float64))
    basis = replace(identity(), basis=_standard_basis(balanced, seed_hidden))
    w = unflatten(act(basis, balanced))
    length = (w["W1"] ** 2).sum(-1) + w["b1"] ** 2 + (w["W2"] ** 2).sum(-2)
    order = replace(identity(), permutation=np.argsort(-length, axis=-1))
    return compose(order, compose(basis, balance))


def aligner(weights: Array, reference: Array, seed_hidden: bool = True) -> Element:
    """An element that takes weights ``(P,)`` close to ``reference`` ``(P,)``, or ``(N, P)`` each.

    Exact for copies of the reference. It depends on the orbit alone: every element's image of
    ``weights`` is taken to the same place, up to rounding. For other NCAs it is a local optimum:
    units are matched by assignment on their basis-free descriptors, then basis and units in turn,
    while the distance falls.
    """
    ours, wanted = np.asarray(weights, np.float64), np.asarray(reference, np.float64)
    if ours.ndim == 1:
        return aligner(ours[None], wanted, seed_hidden).of(0)
    found = canonicaliser(ours, seed_hidden)
    moved = act(found, ours)
    here, there = (_basis_free(w, seed_hidden) for w in (moved, wanted))
    first = _match(here, there)
    found, moved = compose(first, found), act(first, moved)
    first = nearest_basis(moved, wanted, seed_hidden, far=True)
    found, moved = compose(first, found), act(first, moved)
    distance, going = np.linalg.norm(moved - wanted, axis=1), np.arange(len(ours))
    for _ in range(ROUNDS):
        now = moved[going]
        units = _match(descriptors(now), descriptors(wanted))
        matched = act(units, now)
        scales = nearest_scales(matched, wanted)
        units, matched = compose(scales, units), act(scales, matched)
        basis = nearest_basis(matched, wanted, seed_hidden)
        images = np.stack([matched, act(basis, matched)])
        distances = np.linalg.norm(images - wanted, axis=2)
        best, rows = distances.argmin(axis=0), np.arange(len(going))
        # The better of the two steps: the basis moves, too, or stays as it is.
        still = np.where(best[:, None, None] == 0, np.eye(CHANNELS), basis.basis)
        step, least = compose(replace(basis, basis=still), units), distances[best, rows]
        nearer = least < distance[going] * (1 - LEAST_GAIN)
        moved[going[nearer]] = images[best, rows][nearer]
        going = going[nearer]
        if not len(going):
            break
        distance[going] = least[nearer]
        found = _put(found, going, compose(step.of(nearer), found.of(going)))
    return found


def _put(elements: Element, rows: Ints, others: Element) -> Element:
    """Elements of which some are replaced by others."""
    permutation, scales, basis = (
        elements.permutation.copy(),
        elements.scales.copy(),
        elements.basis.copy(),
    )
    permutation[rows], scales[rows], basis[rows] = others.permutation, others.scales, others.basis
    return Element(permutation, scales, basis)


def canonicalise(weights: Array, seed_hidden: bool = True) -> Array:
    """Weights ``(N, P)`` in standard form: see ``canonicaliser``. Same dtype."""
    return _moved(weights, lambda some: canonicaliser(some, seed_hidden))


def align(weights: Array, reference: Array, seed_hidden: bool = True) -> Array:
    """Weights ``(N, P)``, each close to ``reference`` ``(P,)``: see ``aligner``. Same dtype."""
    return _moved(weights, lambda some: aligner(some, reference, seed_hidden))


def _moved(weights: Array, element: Callable[[Array], Element]) -> Array:
    moved = np.empty_like(weights)
    with threadpool_limits(limits=1):  # matrices this small are slower on many threads
        for first in range(0, len(weights), AT_ONCE):
            some = weights[first : first + AT_ONCE]
            moved[first : first + AT_ONCE] = act(element(some), some)
    return moved


def invariants(weights: Array, seed_hidden: bool = True) -> Array:
    """Numbers ``(N, D)`` that no element of the group changes.

    With ``J_f = W2 W1_f`` for f in identity, Sobel x, Sobel y: traces of words of up to 4 letters
    J, one of each cyclic class; and the visible channels of words of up to 2 letters applied to
    the seed, b2 and W2 b1. A word of k letters is brought to one degree: ``sign(x) |x|^(1/k)``.
    Incomplete: nothing here knows which units a ReLU shuts together.
    """
    w = unflatten(np.asarray(weights, np.float64).reshape(-1, weights.shape[-1]))
    n = len(w["b2"])
    jacobians = [w["W2"] @ block for block in np.split(w["W1"], 3, axis=-1)]  # 3 of (N, 16, 16)
    seed = np.broadcast_to(seed_vector(seed_hidden), (n, CHANNELS))
    vectors = np.stack([seed, w["b2"], np.einsum("ncj,nj->nc", w["W2"], w["b1"])], axis=-1)
    values = [vectors[:, V, 1:].reshape(n, -1)]  # the seed's own visible channels never change
    words: dict[tuple[int, ...], Array] = {(): np.broadcast_to(np.eye(CHANNELS), (n, 16, 16))}
    for letters in range(1, CYCLES + 1):
        words = {(*word, f): words[word] @ jacobians[f] for word in words for f in range(3)}
        values += [
            _root(np.trace(matrix, axis1=1, axis2=2)[:, None], letters)
            for word, matrix in words.items()
            if word == min(word[i:] + word[:i] for i in range(letters))
        ]
        if letters <= 2:
            values += [
                _root((matrix @ vectors)[:, V].reshape(n, -1), letters) for matrix in words.values()
            ]
    return np.concatenate(values, axis=1)


def _root(values: Array, degree: int) -> Array:
    return np.sign(values) * np.abs(values) ** (1 / degree)


Sides = tuple[Array, Array]  # incoming (..., 128, a) and outgoing (..., 128, b) of every unit


def descriptors(weights: Array) -> Sides:
    """All that a unit is, in the basis at hand."""
    w = unflatten(weights)
    return np.concatenate([w["W1"], w["b1"][..., None]], axis=-1), w["W2"].swapaxes(-1, -2)


def _carried(tensors: dict[str, Array], seed_hidden: bool) -> list[Array]:
    """The seed and b2, ``(..., 16)`` each."""
    return [np.broadcast_to(seed_vector(seed_hidden), tensors["b2"].shape), tensors["b2"]]


def _basis_free(weights: Array, seed_hidden: bool) -> Sides:
    """What a unit makes of the seed and b2, and of what these become by one or two linear steps,
    and what visible channels make of it: the same in any basis of the state."""
    w = unflatten(weights)
    blocks, bias = np.split(w["W1"], 3, axis=-1), w["b1"][..., None]
    carried = np.stack([*_carried(w, seed_hidden), (w["W2"] @ bias)[..., 0]], axis=-1)
    incoming, outgoing = [bias], [w["W2"][..., V, :]]
    for block in blocks:
        incoming += [block @ carried]
        incoming += [block @ (w["W2"] @ (other @ carried)) for other in blocks]
        outgoing += [(w["W2"][..., V, :] @ block) @ w["W2"]]
    told = np.concatenate(outgoing, axis=-2)
    return np.concatenate(incoming, axis=-1), told.swapaxes(-1, -2)


def _unit_scales(weights: Array, seed_hidden: bool) -> Array:
    """Scales ``(..., 128)`` that make both sides of units equally long in any basis."""
    w = unflatten(np.asarray(weights, np.float64))
    carried = np.stack(_carried(w, seed_hidden), axis=-1)
    seen = [block @ carried for block in np.split(w["W1"], 3, axis=-1)]
    incoming = np.linalg.norm(np.concatenate([w["b1"][..., None], *seen], axis=-1), axis=-1)
    outgoing = np.linalg.norm(w["W2"][..., V, :], axis=-2)
    return np.sqrt(ratio(outgoing, incoming))


def ratio(above: Array, below: Array) -> Array:
    """``above / below``, and 1 where either is 0: a unit without one side has no scale."""
    either = (above == 0) | (below == 0)
    return np.where(either, 1.0, above / np.where(below == 0, 1.0, below))


def _match(here: Sides, there: Sides) -> Element:
    """Units matched by assignment on the cosines of both sides, then scaled to equal lengths."""
    columns = [np.linalg.norm(side, axis=0) for side in there]
    wanted, wanted_lengths = _directions(there, columns)
    found, found_lengths = _directions(here, columns)
    unlike = -(wanted @ found.swapaxes(-1, -2))  # minus the sum of both cosines
    permutation = assigned(unlike)
    squared_scale = np.ones(permutation.shape)
    for sign, length, other in zip((-1, 1), wanted_lengths, found_lengths, strict=True):
        squared_scale *= ratio(np.take_along_axis(other, permutation, axis=-1), length) ** sign
    return replace(identity(), permutation=permutation, scales=np.sqrt(squared_scale))


def assigned(costs: Array) -> Ints:
    """Columns ``(N, 128)`` of the rows of costs ``(N, 128, 128)``, so that all cost least.

    Where no two rows have their least in one column, nothing costs less, and none need be compared.
    """
    columns = costs.argmin(axis=-1)
    shared = (np.sort(columns, axis=-1) != np.arange(costs.shape[-1])).any(axis=-1)
    for one in np.flatnonzero(shared):
        columns[one] = linear_sum_assignment(costs[one])[1]
    return columns


def _directions(sides: Sides, columns: list[Array]) -> tuple[Array, list[Array]]:
    """Both sides of units, columns divided by these and rows brought to length 1, beside each other
    ``(..., 128, a + b)``; and the lengths that they had ``(..., 128)``."""
    scaled = [side / np.where(by == 0, 1, by) for side, by in zip(sides, columns, strict=True)]
    lengths = [np.linalg.norm(side, axis=-1) for side in scaled]
    for side, length in zip(scaled, lengths, strict=True):
        side /= np.where(length > 0, length, 1)[..., None]
    return np.concatenate(scaled, axis=-1), lengths


def nearest_scales(weights: Array, reference: Array) -> Element:
    """The unit scales that bring weights closest to ``reference``: Newton steps in their logarithm.

    Minimises ``|c a - a'|^2 + |b / c - b'|^2`` for every unit with sides a, b and wanted a', b'.
    """
    (ours_in, ours_out), (in_, out) = descriptors(weights), descriptors(reference)
    aa, bb = (ours_in**2).sum(-1), (ours_out**2).sum(-1)
    ab_in, ab_out = (ours_in * in_).sum(-1), (ours_out * out).sum(-1)
    log_scale = np.zeros(aa.shape)
    for _ in range(NEWTON_STEPS):
        c = np.exp(log_scale)
        slope = c * c * aa - c * ab_in - bb / c**2 + ab_out / c
        curvature = 2 * c * c * aa - c * ab_in + 2 * bb / c**2 - ab_out / c
        steady = np.where(curvature > 0, curvature, np.abs(slope) + 1)
        log_scale -= np.clip(slope / steady, -1, 1)
    return replace(identity(), scales=np.exp(log_scale))


def _standard_basis(weights: Array, seed_hidden: bool) -> Array:
    """The bases T in which W1 and W2 look alike for a whole orbit; units must be balanced."""
    w, seed = unflatten(weights), seed_vector(seed_hidden)
    stacked = np.concatenate(np.split(w["W1"], 3, axis=-1), axis=-2)
    metric = stacked.swapaxes(-1, -2) @ stacked  # of state vectors: how far they move the units
    among, across = metric[..., H, H], metric[..., H, V]
    rcond = len(seed[H]) * np.finfo(np.float64).eps
    lift = -np.linalg.pinv(among, rcond=rcond) @ across  # e_v + lift_v is normal
    values, vectors = np.linalg.eigh(among)
    most = values[..., -1:]
    roots = np.sqrt(np.maximum(values, 1e-12 * most))
    whiten = (vectors * roots[..., None, :]) @ vectors.swapaxes(-1, -2)
    written = np.concatenate([w["W2"], w["b2"][..., None]], axis=-1)
    hidden = written[..., H, :] - lift @ written[..., V, :]
    axes = np.linalg.svd(whiten @ hidden, full_matrices=False)[0]
    mix = axes.swapaxes(-1, -2) @ whiten
    lifted = seed[H] - lift @ seed[V]
    mix = mix * np.where(mix @ lifted[..., None] < 0, -1, 1)
    basis = np.zeros((*mix.shape[:-2], CHANNELS, CHANNELS))
    basis[:] = np.eye(CHANNELS)
    basis[..., H, H], basis[..., H, V] = mix, -mix @ lift
    basis[..., H, VISIBLE - 1] = seed[H] - mix @ seed[H]  # the seed decides the column of alpha
    # If no unit looks at hidden channels, any basis is as good.
    return np.where(most[..., None] > 0, basis, np.eye(CHANNELS))


@cache
def _ignoring_the_seed(seed_hidden: bool) -> Array:
    """A basis of the rows ``(15, 16)`` that ignore the seed."""
    return null_space(seed_vector(seed_hidden)[None]).T


def nearest_basis(
    weights: Array, reference: Array, seed_hidden: bool, far: bool = False
) -> Element:
    """The change of basis that brings weights closest to ``reference``, to first order.

    Minimises ``|T W2 - W2'|^2 + |T b2 - b2'|^2 + |W1' T - W1|^2`` if ``far``, which is exact for a
    copy, else with ``W1 (2 - T) - W1'`` for ``W1 T^-1 - W1'``: a Gauss-Newton step from T = I. Both
    are a Sylvester equation for the hidden rows of T, within the space that keeps the seed.
    """
    w, r = unflatten(weights), unflatten(reference)
    ours, theirs = (np.concatenate(np.split(v["W1"], 3, axis=-1), axis=-2) for v in (w, r))
    written, wanted = (np.concatenate([v["W2"], v["b2"][..., None]], axis=-1) for v in (w, r))
    seen, change = (theirs, ours - theirs) if far else (ours, ours - theirs)
    free = _ignoring_the_seed(seed_hidden)
    looks, moves = seen[..., H].swapaxes(-1, -2), free @ written
    rows = _sylvester(
        looks @ seen[..., H] + 1e-9 * np.eye(CHANNELS - VISIBLE),
        moves @ moves.swapaxes(-1, -2),
        looks @ change @ free.T + (wanted - written)[..., H, :] @ moves.swapaxes(-1, -2),
    )
    basis = np.eye(CHANNELS) + np.zeros((*rows.shape[:-2], 1, 1))
    basis[..., H, :] += rows @ free
    return replace(identity(), basis=np.where(_none(basis), np.eye(CHANNELS), basis))


def _none(basis: Array) -> npt.NDArray[np.bool_]:
    """Which of bases ``(..., 16, 16)`` are none, ``(..., 1, 1)``.

    A start without W2 says nothing about the basis, and what comes out may be anything.
    """
    away = np.linalg.norm(basis - np.eye(CHANNELS), axis=(-2, -1))
    # Of those nearer than that no vector gets shorter or longer by more than that share.
    found = np.asarray(away >= NEAR)
    found[found] = np.linalg.cond(basis[found]) > 1e6
    return found[..., None, None]


def _sylvester(a: Array, b: Array, c: Array) -> Array:
    """X with ``a X + X b = c``, for symmetric a and b: by their own axes it is a division."""
    (a_values, a_axes), (b_values, b_axes) = np.linalg.eigh(a), np.linalg.eigh(b)
    turned = a_axes.swapaxes(-1, -2) @ c @ b_axes
    turned /= a_values[..., :, None] + b_values[..., None, :]
    return a_axes @ turned @ b_axes.swapaxes(-1, -2)
