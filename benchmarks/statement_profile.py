"""Where a compiled function spends its cycles, statement by statement.

A profiler of machine code cannot tell the parts of a numba kernel: LLVM inlines them into one.
So the kernel is compiled a second time from its own source, with a reading of the processor's
cycle counter around every loop and every call of another compiled function. It follows such
calls, but not out of loops, where counting would cost more than what it counts; except for the
loops of the function it is asked about, which are the CA steps. Nothing in it knows the kernel.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

SLOTS = 400
LOOPS = (ast.For, ast.While)


class Part(NamedTuple):
    """A statement of the kernel and the cycles spent in it."""

    function: str
    text: str  # its first line
    calls: str  # the compiled function that it calls, or ""
    cycles: int


def _counting(cycles: np.ndarray) -> Any:
    """A compiled ``count(slot, sign)``: adds the cycle counter, signed, to ``cycles[slot]``."""
    address = cycles.ctypes.data

    @intrinsic
    def count(_typing, slot, sign):
        signature = types.void(types.int64, types.int64)

        def codegen(context, builder, _signature, args):
            word = ir.IntType(64)
            reading = builder.module.declare_intrinsic(
                "llvm.readcyclecounter", fnty=ir.FunctionType(word, [])
            )
            now = builder.call(reading, [])
            base = builder.inttoptr(ir.Constant(word, address), word.as_pointer())
            place = builder.gep(base, [args[0]])
            builder.store(builder.add(builder.load(place), builder.mul(now, args[1])), place)
            return context.get_dummy_value()

        return signature, codegen

    return count


class Profiler:
    """A second compilation of ``kernel`` that counts; call it through ``run``."""

    def __init__(self, kernel: Dispatcher) -> None:
        self.cycles = np.zeros(SLOTS, np.int64)
        self._count = _counting(self.cycles)
        self._slots: list[tuple[str, str, str, bool]] = []  # function, text, calls, is a leaf
        self._made: dict[int, Dispatcher] = {}
        self._total = self._slot(kernel.py_func.__name__, "all", "", leaf=False)
        self.run: Callable[..., Any] = self._compiled(kernel, entry=True)

    def parts(self) -> list[Part]:
        """Cycles since the last ``clear``: every statement that is not divided any further, and
        last, as ``(between)``, what lies between them."""
        leaves = [
            Part(*slot[:3], int(cycles))
            for slot, cycles in zip(self._slots, self.cycles, strict=False)
            if slot[3]
        ]
        rest = int(self.cycles[self._total]) - sum(part.cycles for part in leaves)
        return [*leaves, Part("", "(between)", "", rest)]

    def clear(self) -> None:
        """Forget what was counted, as after the call that compiles."""
        self.cycles[:] = 0

    def _slot(self, function: str, text: str, calls: str, leaf: bool) -> int:
        if len(self._slots) == SLOTS:
            raise RuntimeError(f"the kernel has more than {SLOTS} statements to count")
        self._slots.append((function, text, calls, leaf))
        return len(self._slots) - 1

    def _compiled(self, kernel: Dispatcher, entry: bool = False) -> Dispatcher:
        if id(kernel) in self._made:
            return self._made[id(kernel)]
        source = textwrap.dedent(inspect.getsource(kernel.py_func))
        tree = ast.parse(source).body[0]
        assert isinstance(tree, ast.FunctionDef)
        tree.decorator_list = []
        names = dict(kernel.py_func.__globals__)
        names["_count"] = self._count
        tree.body = self._counted(tree.body, tree.name, source.splitlines(), names, entry)
        if entry:
            tree.body = _whole(tree.body, self._total)
        module = ast.fix_missing_locations(ast.Module([tree], []))
        exec(compile(module, f"<counted {tree.name}>", "exec"), names)
        options = {k: v for k, v in kernel.targetoptions.items() if k != "nopython"}
        made = njit(**options)(names[tree.name])
        self._made[id(kernel)] = made
        return made

    def _counted(
        self,
        body: list[ast.stmt],
        function: str,
        lines: list[str],
        names: dict[str, Any],
        entry: bool,
    ) -> list[ast.stmt]:
        counted: list[ast.stmt] = []
        for statement in body:
            inner = (function, lines, names, entry)
            text = lines[statement.lineno - 1].strip()
            callee = self._callee(statement, names)
            if callee is not None:
                name = callee.py_func.__name__
                if not _is_plain_loop(callee):
                    counted_callee = self._compiled(callee)
                    alias = f"_counted_{len(self._made)}_{name}"
                    names[alias] = counted_callee
                    _call(statement).func = ast.Name(alias, ast.Load())
                    counted.append(statement)
                    continue
                text = _shown(statement, callee)
                counted += self._bracket(statement, self._slot(function, text, name, leaf=True))
            elif isinstance(statement, ast.If):
                statement.body = self._counted(statement.body, *inner)
                statement.orelse = self._counted(statement.orelse, *inner)
                counted.append(statement)
            elif isinstance(statement, LOOPS) and entry and _calls_compiled(statement, names):
                statement.body = self._counted(statement.body, *inner)
                counted.append(statement)
            elif isinstance(statement, LOOPS) or _is_slice_copy(statement):
                if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
                    counted.append(statement)
                    continue
                counted += self._bracket(statement, self._slot(function, text, "", leaf=True))
            else:
                counted.append(statement)
        return counted

    def _callee(self, statement: ast.stmt, names: dict[str, Any]) -> Dispatcher | None:
        call = _call(statement)
        return _dispatcher(call.func, names) if call is not None else None

    @staticmethod
    def _bracket(statement: ast.stmt, slot: int) -> list[ast.stmt]:
        return [_tick(slot, -1), statement, _tick(slot, 1)]


def _call(statement: ast.stmt) -> Any:
    """The call that is all of a statement, as in ``f(x)`` and ``y = f(x)``, or None."""
    if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign) and isinstance(
        statement.value, ast.Call
    ):
        return statement.value
    return None


def _dispatcher(function: ast.expr, names: dict[str, Any]) -> Dispatcher | None:
    """The compiled function that an expression names, such as ``f`` or ``module.f``."""
    found: Any = None
    if isinstance(function, ast.Name):
        found = names.get(function.id)
    elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        found = getattr(names.get(function.value.id), function.attr, None)
    return found if isinstance(found, Dispatcher) else None


def _calls_compiled(statement: ast.stmt, names: dict[str, Any]) -> bool:
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(_dispatcher(call.func, names) is not None for call in calls)


def _is_plain_loop(callee: Dispatcher) -> bool:
    """Whether a function is one loop, or one expression: nothing to be gained by dividing it."""
    tree: Any = ast.parse(textwrap.dedent(inspect.getsource(callee.py_func))).body[0]
    work = [s for s in tree.body if isinstance(s, (*LOOPS, ast.If)) or _call(s) is not None]
    return len(work) <= 1


def _is_slice_copy(statement: ast.stmt) -> bool:
    """``a[i:j] = ...``, a loop in disguise."""
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)
        for target in statement.targets
    )


def _shown(statement: ast.stmt, callee: Dispatcher) -> str:
    """A call, with the arguments that a reader tells it by: the first, and the one called c."""
    call = _call(statement)
    order = list(inspect.signature(callee.py_func).parameters)
    given = dict(zip(order, (ast.unparse(a) for a in call.args), strict=False))
    name = callee.py_func.__name__
    if {"a", "b", "c"} <= given.keys():
        return f"{name}: {given['c']} from {given['a']} and {given['b']}"
    return f"{name}({next(iter(given.values()), '')}, ...)"


def _tick(slot: int, sign: int) -> ast.stmt:
    return ast.parse(f"_count({slot}, {sign})").body[0]


def _whole(body: list[ast.stmt], slot: int) -> list[ast.stmt]:
    """A function's body, counted from its first statement to its return."""
    last = body[-1]
    if not isinstance(last, ast.Return):
        return [_tick(slot, -1), *body, _tick(slot, 1)]
    return [_tick(slot, -1), *body[:-1], _tick(slot, 1), last]
