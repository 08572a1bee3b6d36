"""The register tile: small matrix products with their sizes compiled in.

The engine multiplies a few dozen rows at a time. A general matrix library spends much of such a
call on packing and dispatch; these tiles read their operands where they lie, at strides that the
compiler knows. Matrices are flat float32 arrays with an offset each.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS, LANES = 4, 16  # row counts are multiples of ROWS; a vector is the 16 channels of a cell
ADD, RELU, GATE = 0, 1, 2  # what becomes of a product: see `product`

# 32 registers of 512 bits hold 24 running sums; elsewhere 16 of 256 bits hold 4 rows of 16 floats.
WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))

# Never fastmath: LLVM would choose the order of sums by processor, and weights would differ.
# Nothing calls the kernels from C, and all that is compiled costs the first command its time.
OPTIONS: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}


VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _address(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Pointer to element ``offset`` of a flat numba array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _vector(builder: Any, base: Any, offset: Any = None) -> Any:
    """The pointer ``base + offset`` seen as a pointer to LANES floats."""
    at = base if offset is None else builder.gep(base, [offset])
    return builder.bitcast(at, VECTOR.as_pointer())


def _spread(builder: Any, scalar: Any) -> Any:
    """A scalar in all lanes of a vector."""
    nothing, lane = ir.Constant(VECTOR, ir.Undefined), ir.IntType(32)
    single = builder.insert_element(nothing, scalar, ir.Constant(lane, 0))
    lanes = ir.Constant(ir.VectorType(lane, LANES), [0] * LANES)
    return builder.shuffle_vector(single, nothing, lanes)


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` of vectors, rounded once wherever the processor can."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(fused, [a, b, c])


@intrinsic
def lowest_bit(_typing, word):
    """The place of the lowest bit that is set in a uint64 other than 0."""

    def codegen(_context, builder, _signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


def _row_move(adding: bool) -> Callable[..., None]:
    """Copies a row of 16, or adds it; says what a loop cannot: that the two do not overlap."""

    @intrinsic
    def move(_typing, a, ai, c, ci):
        signature = types.void(a, types.intp, c, types.intp)

        def codegen(context, builder, signature, args):
            a_base, c_base = (
                _address(context, builder, signature.args[i], args[i], args[i + 1]) for i in (0, 2)
            )
            a_row, c_row = _vector(builder, a_base), _vector(builder, c_base)
            value = builder.load(a_row, align=4)
            if adding:
                value = builder.fadd(value, builder.load(c_row, align=4))
            builder.store(value, c_row, align=4)
            return context.get_dummy_value()

        return signature, codegen

    return move


copy_row = _row_move(adding=False)  # c[ci:][:16] = a[ai:][:16]
add_row = _row_move(adding=True)  # c[ci:][:16] += a[ai:][:16]


def _neighbour(builder: Any, base: Any, offset: Any, pitch: Any, dy: int, dx: int) -> Any:
    """Pointer to the 16 channels of the cell ``dy`` rows below and ``dx`` right of an offset."""
    integer = pitch.type
    down = builder.add(offset, builder.mul(pitch, ir.Constant(integer, dy)))
    return _vector(builder, base, builder.add(down, ir.Constant(integer, dx * LANES)))


EIGHTH, QUARTER = (ir.Constant(VECTOR, [value] * LANES) for value in (0.125, 0.25))


@intrinsic
def sobel_row(_typing, a, ai, pitch, c, ci):
    """Identity, Sobel x and Sobel y of 16 channels at once: ``c[ci:][:48]`` from ``a[ai:][:16]``.

    ``a`` is a flat grid of 16 channels a cell and ``pitch`` floats a row.
    """
    signature = types.void(a, types.intp, types.intp, c, types.intp)

    def codegen(context, builder, signature, args):
        grid = context.make_array(signature.args[0])(context, builder, args[0]).data
        out = _address(context, builder, signature.args[3], args[3], args[4])

        def row(dy):
            at = (_neighbour(builder, grid, args[1], args[2], dy, dx) for dx in (-1, 0, 1))
            return [builder.load(pointer, align=4) for pointer in at]

        def store(value, place):
            at = _vector(builder, out, ir.Constant(args[4].type, place * LANES))
            builder.store(value, at, align=4)

        (nw, n, ne), (w, here, e), (sw, s, se) = row(-1), row(0), row(1)
        x = builder.fadd(builder.fsub(ne, nw), builder.fsub(se, sw))
        y = builder.fadd(builder.fsub(sw, nw), builder.fsub(se, ne))
        store(here, 0)
        store(_multiply_add(builder, EIGHTH, x, builder.fmul(QUARTER, builder.fsub(e, w))), 1)
        store(_multiply_add(builder, EIGHTH, y, builder.fmul(QUARTER, builder.fsub(s, n))), 2)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def sobel_row_back(_typing, c, ci, a, ai, pitch):
    """The transpose of ``sobel_row``: ``c[ci:][:48]`` is added around ``a[ai:][:16]``."""
    signature = types.void(c, types.intp, a, types.intp, types.intp)

    def codegen(context, builder, signature, args):
        given = _address(context, builder, signature.args[0], args[0], args[1])
        grid = context.make_array(signature.args[2])(context, builder, args[2]).data

        def load(place):
            at = _vector(builder, given, ir.Constant(args[1].type, place * LANES))
            return builder.load(at, align=4)

        identity, x, y = load(0), load(1), load(2)
        plus = builder.fmul(EIGHTH, builder.fadd(x, y))
        minus = builder.fmul(EIGHTH, builder.fsub(x, y))
        straight_x, straight_y = builder.fmul(QUARTER, x), builder.fmul(QUARTER, y)
        gains = {(0, 0): identity, (0, 1): straight_x, (1, 0): straight_y, (-1, 1): minus}
        gains[1, 1] = plus
        losses = {(0, -1): straight_x, (-1, 0): straight_y, (-1, -1): plus, (1, -1): minus}
        for changes, change in ((gains, builder.fadd), (losses, builder.fsub)):
            for (dy, dx), amount in changes.items():
                at = _neighbour(builder, grid, args[3], args[4], dy, dx)
                builder.store(change(builder.load(at, align=4), amount), at, align=4)
        return context.get_dummy_value()

    return signature, codegen


def _tile(
    rows: int, vectors: int, a: tuple[int, int], b: int, e: int, c: int, end: int
) -> Callable[..., None]:
    """A tile of ``rows`` x ``16 vectors`` of a product, held in registers: see `product`.

    Written as LLVM vectors, because a loop over arrays would go through memory at every
    multiplication.
    """
    (a_row, a_k), b_k, e_row, c_row = a, b, e, c
    places = [(r, v) for r in range(rows) for v in range(vectors)]

    @intrinsic
    def tile(_typing, a, ai, b, bi, e, ei, c, ci, depth):
        index = types.intp
        signature = types.void(a, index, b, index, e, index, c, index, index)

        def codegen(context, builder, signature, args):
            integer = args[-1].type
            nothing = ir.Constant(VECTOR, [0.0] * LANES)
            a_base, b_base, e_base, c_base = (
                _address(context, builder, signature.args[i], args[i], args[i + 1])
                for i in (0, 2, 4, 6)
            )

            def place(base, stride, r, v):
                return _vector(builder, base, ir.Constant(integer, r * stride + v * LANES))

            def extra(r, v):
                return builder.load(place(e_base, e_row, r, v), align=4)

            initial = [nothing if end == GATE else extra(*at) for at in places]
            entry = builder.basic_block
            loop = builder.append_basic_block("tile.loop")
            done = builder.append_basic_block("tile.done")
            builder.branch(loop)

            builder.position_at_end(loop)
            left = builder.phi(integer)
            a_at, b_at = builder.phi(a_base.type), builder.phi(b_base.type)
            total = [builder.phi(VECTOR) for _ in places]
            columns = [builder.load(place(b_at, 0, 0, v), align=4) for v in range(vectors)]
            grown = []
            for r in range(rows):
                scalar = builder.load(builder.gep(a_at, [ir.Constant(integer, r * a_row)]))
                spread = _spread(builder, scalar)
                for v in range(vectors):
                    so_far = total[r * vectors + v]
                    grown.append(_multiply_add(builder, spread, columns[v], so_far))
            fewer = builder.sub(left, ir.Constant(integer, 1))
            for phi, first, then in [
                (left, args[-1], fewer),
                (a_at, a_base, builder.gep(a_at, [ir.Constant(integer, a_k)])),
                (b_at, b_base, builder.gep(b_at, [ir.Constant(integer, b_k)])),
                *zip(total, initial, grown, strict=True),
            ]:
                phi.add_incoming(first, entry)
                phi.add_incoming(then, loop)
            builder.cbranch(builder.icmp_signed(">", fewer, ir.Constant(integer, 0)), loop, done)

            builder.position_at_end(done)
            for at, value in zip(places, grown, strict=True):
                if end == GATE:
                    wanted = builder.fcmp_ordered(">", extra(*at), nothing)
                    value = builder.select(wanted, value, nothing)
                if end == RELU:  # unordered: NaN must stay visible
                    wanted = builder.fcmp_unordered(">", value, nothing)
                    value = builder.select(wanted, value, nothing)
                builder.store(value, place(c_base, c_row, *at), align=4)
            return context.get_dummy_value()

        return signature, codegen

    return tile


def product(
    n: int,
    a: tuple[int, int],
    b: int,
    e: int,
    c: int,
    end: int = ADD,
    tall: int = 8,
    wide: bool = WIDE,
) -> Callable[..., None]:
    """A compiled product of A ``(m, depth)`` and B ``(depth, n)``, for these strides.

    Called with ``(A, ai, B, bi, E, ei, C, ci, m, depth)``: with ``end`` ADD, ``C = E + AB``; with
    RELU, ``C = max(E + AB, 0)``; with GATE, the ReLU's derivative, ``C = AB`` where E is above 0
    and 0 elsewhere. m in multiples of ROWS, n of LANES.

    Element (r, k) of A lies at ``A[ai + r * a[0] + k * a[1]]``, row k of B at ``B[bi + k * b:]``,
    row r of E and C at ``e`` and ``c`` times r. depth is 1 or more. E may be C itself (accumulate)
    or one row with stride 0 (a bias). Every element is summed in the order of k, whatever the
    tiles.
    """
    vectors = next(v for v in (3, 2, 1) if n % (v * LANES) == 0) if wide else 1
    tall = tall if wide else ROWS
    width, (a_row, _), e_row, c_row = vectors * LANES, a, e, c
    tall_tile = _tile(tall, vectors, a, b, e, c, end)
    low_tile = _tile(ROWS, vectors, a, b, e, c, end)

    @njit(**OPTIONS)
    def compiled_product(a, ai, b, bi, e, ei, c, ci, m, depth):
        i = 0
        while i < m:
            is_tall = i + tall <= m
            for j in range(0, n, width):
                tile = (a, ai + i * a_row, b, bi + j, e, ei + i * e_row + j, c, ci + i * c_row + j)
                if is_tall:
                    tall_tile(*tile, depth)
                else:
                    low_tile(*tile, depth)
            i += tall if is_tall else ROWS

    return compiled_product
