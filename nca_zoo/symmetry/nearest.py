"""How near two NCAs come by symmetries: a search with restarts over the whole group.

``aligner`` (nca_zoo/symmetry/alignment.py) is quick and goes down from one place. Here several
places are tried, and from each the distance itself is minimised, in two steps that never raise it:
given the basis, units and their scales exactly, by assignment; given the units, basis and scales
together, by L-BFGS. docs/notes/symmetry.md says what it finds of copies with noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import null_space, qr
from scipy.optimize import linear_sum_assignment, minimize
from threadpoolctl import threadpool_limits

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.automaton.rule import CHANNELS, HIDDEN, VISIBLE, Array, unflatten
from nca_zoo.symmetry.alignment import (
    H,
    V,
    aligner,
    canonicaliser,
    descriptors,
    nearest_basis,
    nearest_scales,
    ratio,
)
from nca_zoo.symmetry.group import Element, act, compose, identity, normals, seed_vector

STARTS = 8
ROUNDS = 12  # of units and basis in turn, at most
LEAST_GAIN = 1e-4  # of the distance, or the descent from a start ends
EVALUATIONS = 60  # of the distance and its slope, in a round
BALANCINGS = 20
MATCHINGS = 30  # steps of the graph matching, at most
NEWTON_STEPS = 4
FARTHEST_SCALE = 3.0  # logarithm; of units that are compared


@dataclass(frozen=True)
class Nearest:
    """What a search found."""

    element: Element  # takes the weights to where they are nearest to the reference
    distance: float  # there, in units of the reference's norm
    starts: tuple[float, ...]  # the distance that each start led to, in the order tried


def nearest(
    weights: Array, reference: Array, seed_hidden: bool = True, starts: int = STARTS, seed: int = 0
) -> Nearest:
    """The nearest image of weights ``(P,)`` to ``reference`` ``(P,)`` that ``starts`` starts find.

    The first start is the answer of ``aligner``, the second matches units as nodes of a graph,
    whose edges are how units drive each other; the others are bases drawn with ``seed``. None
    depends on where in its orbit the weights lie, and more starts never find less. Some 0.2 s a
    start on one core.
    """
    wanted = np.asarray(reference, np.float64)
    length = float(np.linalg.norm(wanted)) or 1.0
    ours = np.asarray(weights, np.float64)
    best, distances = identity(), list[float]()
    with threadpool_limits(limits=1):
        for start in _starts(ours, wanted, seed_hidden, starts, seed):
            found, distance = _descend(ours, wanted, start, seed_hidden)
            if not distances or distance < min(distances):
                best = found
            distances.append(distance)
    return Nearest(best, min(distances) / length, tuple(d / length for d in distances))


def _starts(
    weights: Array, reference: Array, seed_hidden: bool, number: int, seed: int
) -> Iterator[Element]:
    yield aligner(weights, reference, seed_hidden)
    ours, theirs = (canonicaliser(w, seed_hidden) for w in (weights, reference))
    if number > 1:
        matched = _graph_match(act(ours, weights), reference, seed_hidden)
        yield compose(matched, ours)
    key = noise.fold(seed, Study.STARTS)
    back = replace(identity(), basis=np.linalg.inv(theirs.basis))
    for k in range(number - 2):
        turned = compose(_rotation(noise.fold(key, k), seed_hidden), ours)
        yield compose(back, turned)


def _rotation(key: int, seed_hidden: bool) -> Element:
    """Hidden channels turned at random, with the shear that keeps the seed."""
    h = CHANNELS - VISIBLE
    basis, seed = np.eye(CHANNELS), seed_vector(seed_hidden)
    basis[H, H] = qr(normals(noise.uniform(key, 2 * h * h)).reshape(h, h))[0]
    basis[H, VISIBLE - 1] = seed[H] - basis[H, H] @ seed[H]
    return replace(identity(), basis=basis)


def _descend(
    weights: Array, reference: Array, start: Element, seed_hidden: bool
) -> tuple[Element, float]:
    """From one element down to where neither units nor basis and scales bring it nearer."""
    found, distance = start, np.inf
    for _ in range(ROUNDS):
        units = compose(_exact_units(act(found, weights), reference), found)
        moved = act(units, weights)
        polished = compose(_polish(moved, reference, seed_hidden), units)
        now = float(np.linalg.norm(act(polished, weights) - reference))
        least = min(distance, now)
        if now <= least:
            found = polished
        if now > distance * (1 - LEAST_GAIN):
            break
        distance = now
    return found, least


def _exact_units(weights: Array, reference: Array) -> Element:
    """The permutation and scales that bring weights nearest, in the basis at hand."""
    (ours_in, ours_out), (in_, out) = descriptors(weights), descriptors(reference)
    aa, bb = (ours_in**2).sum(1)[None], (ours_out**2).sum(1)[None]  # of unit j, in columns
    ab_in, ab_out = in_ @ ours_in.T, out @ ours_out.T  # (theirs, ours)
    log_scale = np.zeros((HIDDEN, HIDDEN))
    for _ in range(NEWTON_STEPS):
        c = np.exp(log_scale)
        slope = c * c * aa - c * ab_in - bb / c**2 + ab_out / c
        curvature = 2 * c * c * aa - c * ab_in + 2 * bb / c**2 - ab_out / c
        steady = np.where(curvature > 0, curvature, np.abs(slope) + 1)
        log_scale = np.clip(
            log_scale - np.clip(slope / steady, -1, 1), -FARTHEST_SCALE, FARTHEST_SCALE
        )
    c = np.exp(log_scale)
    cost = c * c * aa - 2 * c * ab_in + bb / c**2 - 2 * ab_out / c
    rows, permutation = linear_sum_assignment(cost)
    return Element(permutation, c[rows, permutation], np.eye(CHANNELS))


def _polish(weights: Array, reference: Array, seed_hidden: bool) -> Element:
    """Scales and basis that bring weights nearer, units as they are: L-BFGS on the distance."""
    ours, theirs = unflatten(weights), unflatten(reference)
    w1, r1 = (np.stack(np.split(v["W1"], 3, axis=1)) for v in (ours, theirs))  # (3, 128, 16)
    free = null_space(seed_vector(seed_hidden)[None]).T  # (15, 16): rows that ignore the seed

    def parts(x: Array) -> tuple[Array, Array]:
        basis = np.eye(CHANNELS)
        basis[H] += x[HIDDEN:].reshape(-1, len(free)) @ free
        return np.exp(x[:HIDDEN]), basis

    def squares(x: Array) -> tuple[float, Array]:
        """The squared distance, and its slope in log scales and rows of the basis."""
        scales, basis = parts(x)
        back = np.linalg.inv(basis)
        seen, written = scales[:, None] * w1 @ back, basis @ ours["W2"] / scales
        off_seen, off_written = seen - r1, written - theirs["W2"]
        bias, shift = scales * ours["b1"], basis @ ours["b2"]
        off_bias, off_shift = bias - theirs["b1"], shift - theirs["b2"]
        by_scale = (seen * off_seen).sum((0, 2)) + bias * off_bias - (written * off_written).sum(0)
        by_basis = off_written @ (ours["W2"] / scales).T + np.outer(off_shift, ours["b2"])
        by_basis -= np.einsum("fij,fik->jk", seen, off_seen) @ back.T
        total = sum(float((off**2).sum()) for off in (off_seen, off_bias, off_written, off_shift))
        return total, 2 * np.concatenate([by_scale, (by_basis[H] @ free.T).ravel()])

    size = HIDDEN + (CHANNELS - VISIBLE) * len(free)
    found = minimize(
        squares, np.zeros(size), jac=True, method="L-BFGS-B", options={"maxfun": EVALUATIONS}
    )
    scales, basis = parts(found.x)
    return Element(np.arange(HIDDEN), scales, basis)


@dataclass(frozen=True)
class _Graph:
    """An NCA in no basis: what its units make of each other and of the seed, scales balanced."""

    edges: Array  # (3, 128, 128): what unit j writes, as unit i sees it through each filter
    heard: Array  # (128, 7): bias, and what units make of the seed and of b2
    told: Array  # (128, 4): what units write to visible channels
    scales: Array  # (128,), that balance


def _graph(weights: Array, seed_hidden: bool) -> _Graph:
    w = unflatten(weights)
    blocks = np.stack(np.split(w["W1"], 3, axis=1))
    carried = np.column_stack([seed_vector(seed_hidden), w["b2"]])
    edges, told = blocks @ w["W2"], w["W2"][V].T
    heard = np.column_stack([w["b1"], *(blocks @ carried)])
    scales = np.ones(HIDDEN)
    for _ in range(BALANCINGS):
        pair = scales[:, None] / scales
        incoming = ((edges * pair) ** 2).sum((0, 2)) + ((heard * scales[:, None]) ** 2).sum(1)
        outgoing = ((edges * pair) ** 2).sum((0, 1)) + ((told / scales[:, None]) ** 2).sum(1)
        scales = scales * ratio(outgoing, incoming) ** 0.25
    return _Graph(
        edges * scales[:, None] / scales, heard * scales[:, None], told / scales[:, None], scales
    )


def _graph_match(weights: Array, reference: Array, seed_hidden: bool) -> Element:
    """Units matched as nodes of graphs, by Frank and Wolfe's steps over doubly stochastic matrices
    (Vogelstein et al., 2015), and the basis that then brings weights nearest."""
    ours, theirs = (_graph(w, seed_hidden) for w in (weights, reference))
    alike = theirs.heard @ ours.heard.T + theirs.told @ ours.told.T

    def driven(p: Array) -> Array:
        """The slope of the edges' agreement in ``p`` (theirs, ours), halved."""
        there = theirs.edges @ p @ ours.edges.swapaxes(1, 2)
        back = theirs.edges.swapaxes(1, 2) @ p @ ours.edges
        return (there + back).sum(0) / 2

    p = np.full((HIDDEN, HIDDEN), 1 / HIDDEN)
    edges = driven(p)
    for _ in range(MATCHINGS):
        rows, columns = linear_sum_assignment(-(2 * edges + alike))
        vertex = np.zeros_like(p)
        vertex[rows, columns] = 1
        way, along = vertex - p, driven(vertex) - edges
        bend, slope = (along * way).sum(), ((2 * edges + alike) * way).sum()
        step = 1.0 if bend >= 0 else min(1.0, -slope / (2 * bend))
        p, edges = p + step * way, edges + step * along
        if step * slope <= 1e-9 * abs((edges * p).sum()):
            break
    permutation = linear_sum_assignment(-p)[1]
    scales = ours.scales[permutation] / theirs.scales
    units = Element(permutation, scales, np.eye(CHANNELS))
    moved = act(units, weights)
    found = compose(nearest_basis(moved, reference, seed_hidden, far=True), units)
    return compose(nearest_scales(act(found, weights), reference), found)
