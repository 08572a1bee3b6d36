"""CAX's growing NCA (https://github.com/maxencefaldor/cax), in a process of its own.

Its `GrowingNCA` example with the library's own parts, ``ConvPerceive`` and ``NCAUpdate``, on our
grid, our target and our weights: the loss of the last of T states, batch of seeds, jitted.
What the example does beyond that is left out, which favours CAX: its pool, its 128 steps of
which it keeps all states in order to pick one at random, and its optimiser.

Where its mathematics differs: CAX draws its own fire masks, from JAX's generator, and its
dropout doubles what survives; ``step_size`` 0.5 undoes the doubling. So its losses agree with
ours on average only. To see that all else is the same, ``check`` puts our masks in the place of
its dropout.
"""

import multiprocessing
import os
import time
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from nca_zoo.automaton.noise import fire_mask
from nca_zoo.automaton.rule import ALPHA, CHANNELS, HIDDEN, PERCEPTION, VISIBLE, unflatten

LIBRARIES = ("cax", "jax", "jaxlib", "flax")
# CAX keeps colour and alpha in the last four channels; ours are the first four.
THEIRS = [*range(VISIBLE, CHANNELS), *range(VISIBLE)]


def installed() -> bool:
    """Whether CAX and JAX can be imported here."""
    return all(find_spec(library) is not None for library in LIBRARIES)


def can_limit_threads() -> bool:
    """Whether this system can bind a process to one core, the way to give XLA one thread."""
    return hasattr(os, "sched_setaffinity")


class CaxProcess:
    """CAX on ``threads`` cores, answering calls with losses, gradients and seconds.

    XLA has no switch for its number of threads that holds for all its pools; it makes one a
    core that it may run on. So the process is bound to as many cores before JAX is imported.
    """

    def __init__(self, threads: int, steps: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, threads, steps), daemon=True)
        self._process.start()
        theirs.close()

    def step(self, call: list[Any]) -> dict[str, Any]:
        """Loss and gradient with CAX's own fire masks: ``loss``, ``seconds``, ``cpu_seconds``."""
        return self._ask("step", call)

    def check(self, call: list[Any]) -> dict[str, Any]:
        """The same with our fire masks: ``losses`` ``(B,)`` and ``gradient`` ``(P,)``."""
        return self._ask("check", call)

    def _ask(self, what: str, call: list[Any]) -> dict[str, Any]:
        self._pipe.send((what, call[0][0], call[1][0], call[2][0], call[3][0]))
        answer = self._pipe.recv()
        if "error" in answer:
            raise RuntimeError(f"CAX failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(10)


def _serve(pipe: Connection, threads: int, steps: int) -> None:
    """The process: builds the two programs on first use, then answers until the pipe closes."""
    if can_limit_threads():
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    programs: dict[str, Any] = {}
    while True:
        try:
            what, *call = pipe.recv()
        except EOFError:
            return
        try:
            if what not in programs:
                programs[what] = (_timed_step if what == "step" else _checked_step)(steps)
            pipe.send(programs[what](*call))
        except Exception as error:
            pipe.send({"error": f"{type(error).__name__}: {error}"})


def _weights_of_theirs(weights: np.ndarray) -> dict[str, np.ndarray]:
    """Our flat weights as the kernels and biases of CAX's two 1 x 1 convolutions."""
    ours = unflatten(weights)
    rows = [CHANNELS * f + c for c in THEIRS for f in range(3)]  # channel-major perception
    return {
        "k1": ours["W1"].T[rows][None, None],
        "b1": ours["b1"],
        "k2": ours["W2"].T[:, THEIRS][None, None],
        "b2": ours["b2"][THEIRS],
    }


def _ours_of_theirs(gradient: dict[str, np.ndarray]) -> np.ndarray:
    """Undoes ``_weights_of_theirs``, for gradients: flat ``(P,)``."""
    rows = [CHANNELS * f + c for c in THEIRS for f in range(3)]
    w1 = np.empty((PERCEPTION, HIDDEN), np.float32)
    w1[rows] = gradient["k1"][0, 0]
    w2 = np.empty((HIDDEN, CHANNELS), np.float32)
    w2[:, THEIRS] = gradient["k2"][0, 0]
    b2 = np.empty(CHANNELS, np.float32)
    b2[THEIRS] = gradient["b2"]
    return np.concatenate([w1.T.ravel(), gradient["b1"], w2.T.ravel(), b2])


def _make_ca(update_class: Any = None) -> Any:
    """CAX's example: its GrowingNCA, seeing through identity and Sobel filters."""
    import jax.numpy as jnp
    from cax.core import ComplexSystem
    from cax.core.perceive import ConvPerceive, grad_kernel, identity_kernel
    from cax.core.update import NCAUpdate
    from flax import nnx

    class GrowingNCA(ComplexSystem):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.perceive = ConvPerceive(
                channel_size=CHANNELS,
                perception_size=PERCEPTION,
                feature_group_count=CHANNELS,
                rngs=rngs,
            )
            self.update = (update_class or NCAUpdate)(
                channel_size=CHANNELS,
                perception_size=PERCEPTION,
                hidden_layer_sizes=(HIDDEN,),
                step_size=0.5,
                cell_dropout_rate=0.5,
                zeros_init=True,
                rngs=rngs,
            )
            # Their gradient filter is differently ordered (along rows first) but alike.
            sobel = grad_kernel(ndim=2)[..., ::-1]
            filters = jnp.concatenate([identity_kernel(ndim=2), sobel], axis=-1)
            filters = jnp.concatenate([filters] * CHANNELS, axis=-1)[..., None, :]
            self.perceive.conv.kernel.set_value(filters)

        def _step(self, state: Any, input: Any = None, *, sow: bool = False) -> Any:
            return self.update(state, self.perceive(state), input)

    return GrowingNCA(nnx.Rngs(0))


def _load(ca: Any, weights: np.ndarray) -> None:
    import jax.numpy as jnp

    theirs = _weights_of_theirs(weights)
    first, second = ca.update.layers
    for parameter, name in (
        (first.kernel, "k1"),
        (first.bias, "b1"),
        (second.kernel, "k2"),
        (second.bias, "b2"),
    ):
        parameter.set_value(jnp.asarray(theirs[name]))


def _timed_step(steps: int) -> Any:
    """A call that loads weights, then times one jitted loss and gradient; compiled beforehand."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    ca = _make_ca()
    wanted = nnx.All(nnx.Param, nnx.PathContains("update"))
    compiled: dict[str, float] = {}

    def loss_of(ca: Any, states: Any, target: Any) -> Any:
        axes = nnx.StateAxes({nnx.RngState: 0, ...: None})
        batch = states.shape[0]
        walk = nnx.vmap(lambda ca, state: ca(state, num_steps=steps), in_axes=(axes, 0))
        states = nnx.split_rngs(splits=batch)(walk)(ca, states)
        return jnp.mean(jnp.square(states[..., -VISIBLE:] - target))

    @nnx.jit
    def value_and_gradient(ca: Any, states: Any, target: Any) -> Any:
        return nnx.value_and_grad(loss_of, argnums=nnx.DiffState(0, wanted))(ca, states, target)

    def run(weights: np.ndarray, states: np.ndarray, target: np.ndarray, keys: Any) -> dict:
        _load(ca, weights)
        arguments = (ca, jnp.asarray(states[..., THEIRS]), jnp.asarray(target))
        if not compiled:
            began = time.perf_counter()
            jax.block_until_ready(value_and_gradient(*arguments))
            compiled["seconds"] = time.perf_counter() - began
        began, cpu_began = time.perf_counter(), time.process_time()
        loss, _ = jax.block_until_ready(value_and_gradient(*arguments))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        return {
            "loss": float(loss),
            "seconds": seconds,
            "cpu_seconds": cpu,
            "compile_seconds": compiled["seconds"],
        }

    return run


def _checked_step(steps: int) -> Any:
    """Losses and gradient of CAX's perception, network and alive masks under our fire masks."""
    import jax.numpy as jnp
    from cax.core.update import MLPUpdate, NCAUpdate
    from flax import nnx

    class GivenFire(NCAUpdate):
        def __call__(self, state: Any, perception: Any, input: Any = None) -> Any:
            before = self.get_alive_mask(state)
            state = state + MLPUpdate.__call__(self, state, perception) * input
            return (before & self.get_alive_mask(state)) * state

    ca = _make_ca(GivenFire)
    wanted = nnx.All(nnx.Param, nnx.PathContains("update"))

    def loss_of(ca: Any, states: Any, target: Any, fires: Any) -> Any:
        grown = ca(states, fires, num_steps=steps, input_in_axis=0)
        losses = jnp.mean(jnp.square(grown[..., -VISIBLE:] - target), axis=(1, 2, 3))
        return jnp.mean(losses), losses

    def run(weights: np.ndarray, states: np.ndarray, target: np.ndarray, keys: Any) -> dict:
        _load(ca, weights)
        fires = np.stack([fire_mask(keys, t, *states.shape[1:3]) for t in range(steps)])
        (_, losses), gradient = nnx.value_and_grad(
            loss_of, argnums=nnx.DiffState(0, wanted), has_aux=True
        )(ca, states[..., THEIRS], target, jnp.asarray(fires[..., None], jnp.float32))
        layers = gradient["update"]["layers"]
        named = {
            "k1": np.asarray(layers[0]["kernel"][...]),
            "b1": np.asarray(layers[0]["bias"][...]),
            "k2": np.asarray(layers[1]["kernel"][...]),
            "b2": np.asarray(layers[1]["bias"][...]),
        }
        return {"losses": np.asarray(losses), "gradient": _ours_of_theirs(named)}

    return run


assert THEIRS[-1] == ALPHA  # CAX reads alive from the last channel
