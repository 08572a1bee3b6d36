"""The register tile: one small matrix product, of which all products of the sparse engine are made.

The engine multiplies a few dozen rows at a time. A general matrix library spends much of such a
call on packing and dispatch; this tile reads its operands where they lie.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

ROWS, COLS = 4, 16  # 4 x 16 float32 accumulators fill half of AVX2's registers
ADD, RELU, GATE = 0, 1, 2  # what becomes of a product: see `_tile`

# NaN and infinity must stay visible to the gate, so not plain `True`.
FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": FASTMATH}


VECTOR = ir.VectorType(ir.FloatType(), COLS)


def _address(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Pointer to element ``offset`` of a flat numba array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _vector(builder: Any, base: Any, offset: Any = None) -> Any:
    """The pointer ``base + offset`` seen as a pointer to COLS floats."""
    at = base if offset is None else builder.gep(base, [offset])
    return builder.bitcast(at, VECTOR.as_pointer())


def _spread(builder: Any, scalar: Any) -> Any:
    """A scalar in all lanes of a vector."""
    nothing, lane = ir.Constant(VECTOR, ir.Undefined), ir.IntType(32)
    single = builder.insert_element(nothing, scalar, ir.Constant(lane, 0))
    lanes = ir.Constant(ir.VectorType(lane, COLS), [0] * COLS)
    return builder.shuffle_vector(single, nothing, lanes)


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, fused where the processor can."""
    product = builder.fmul(a, b, flags=("contract",))
    return builder.fadd(product, c, flags=("contract",))


@intrinsic
def add_row(_typing, a, ai, scale, c, ci):
    """``c[ci:][:16] += scale * a[ai:][:16]`` on flat float32 arrays.

    Says what a loop cannot: that the two rows do not overlap.
    """
    signature = types.void(a, types.intp, types.float32, c, types.intp)

    def codegen(context, builder, signature, args):
        a_row = _vector(builder, _address(context, builder, signature.args[0], args[0], args[1]))
        c_row = _vector(builder, _address(context, builder, signature.args[3], args[3], args[4]))
        scaled = _spread(builder, args[2])
        total = _multiply_add(
            builder, scaled, builder.load(a_row, align=4), builder.load(c_row, align=4)
        )
        builder.store(total, c_row, align=4)
        return context.get_dummy_value()

    return signature, codegen


def _neighbour(builder: Any, base: Any, offset: Any, pitch: Any, dy: int, dx: int) -> Any:
    """Pointer to the 16 channels of the cell ``dy`` rows below and ``dx`` right of an offset."""
    integer = pitch.type
    down = builder.add(offset, builder.mul(pitch, ir.Constant(integer, dy)))
    return _vector(builder, base, builder.add(down, ir.Constant(integer, dx * COLS)))


EIGHTH, QUARTER = (ir.Constant(VECTOR, [value] * COLS) for value in (0.125, 0.25))


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
            at = _vector(builder, out, ir.Constant(args[4].type, place * COLS))
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
            at = _vector(builder, given, ir.Constant(args[1].type, place * COLS))
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


@intrinsic
def _tile(_typing, a, ai, a_row, a_k, b, bi, b_k, e, ei, e_row, c, ci, c_row, depth, end):
    """A tile of ROWS x COLS of a product, in registers: ``AB[r, :] = sum_k A[r, k] * B[k, :]``.

    With ``end`` ADD, ``C = E + AB``; with RELU, ``C = max(E + AB, 0)``; with GATE, the ReLU's
    derivative, ``C = AB`` where E is above 0 and 0 elsewhere.

    Every matrix is a flat float32 array with an offset and strides: element (r, k) of A lies at
    ``a[ai + r * a_row + k * a_k]``, row k of B at ``b[bi + k * b_k:][:16]``. E may be C itself
    (accumulate) or one row with stride 0 (a bias). Written as LLVM vectors, because a loop over
    arrays would go through memory at every multiplication.
    """
    index = types.intp
    signature = types.void(
        a, index, index, index, b, index, index, e, index, index, c, index, index, index, index
    )  # fmt: skip

    def codegen(context, builder, signature, args):
        integer = args[-1].type
        nothing = ir.Constant(VECTOR, [0.0] * COLS)

        def times(row, stride):
            return builder.mul(stride, ir.Constant(integer, row))

        a_base, b_base, e_base, c_base = (
            _address(context, builder, signature.args[i], args[i], args[i + 1])
            for i in (0, 4, 7, 10)
        )
        a_row, a_k, b_k, e_row, c_row, depth, end = (args[i] for i in (2, 3, 6, 9, 12, 13, 14))
        tile = range(ROWS)
        e_rows = [_vector(builder, e_base, times(r, e_row)) for r in tile]
        c_rows = [_vector(builder, c_base, times(r, c_row)) for r in tile]

        def ends_in(which):
            return builder.icmp_signed("==", end, ir.Constant(integer, which))

        def store(r, wanted, value):
            """Store a row where ``wanted`` holds, and zeros elsewhere."""
            builder.store(builder.select(wanted, value, nothing), c_rows[r], align=4)

        initial = [
            builder.select(ends_in(GATE), nothing, builder.load(e_rows[r], align=4)) for r in tile
        ]

        entry = builder.basic_block
        loop = builder.append_basic_block("tile.loop")
        done = builder.append_basic_block("tile.done")
        zero = ir.Constant(integer, 0)
        builder.cbranch(builder.icmp_signed(">", depth, zero), loop, done)

        builder.position_at_end(loop)
        k = builder.phi(integer)
        total = [builder.phi(VECTOR) for _ in tile]
        b_row = builder.load(_vector(builder, b_base, builder.mul(k, b_k)), align=4)
        a_column = builder.gep(a_base, [builder.mul(k, a_k)])
        grown = []
        for r in tile:
            scalar = builder.load(builder.gep(a_column, [times(r, a_row)]), align=4)
            grown.append(_multiply_add(builder, _spread(builder, scalar), b_row, total[r]))
        following = builder.add(k, ir.Constant(integer, 1))
        k.add_incoming(zero, entry)
        k.add_incoming(following, loop)
        for r in tile:
            total[r].add_incoming(initial[r], entry)
            total[r].add_incoming(grown[r], loop)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)

        builder.position_at_end(done)
        results = [builder.phi(VECTOR) for _ in tile]
        for r in tile:
            results[r].add_incoming(initial[r], entry)
            results[r].add_incoming(grown[r], loop)
        with builder.if_else(ends_in(GATE)) as (gated, otherwise):
            with gated:
                for r in tile:
                    gate = builder.load(e_rows[r], align=4)
                    store(r, builder.fcmp_ordered(">", gate, nothing), results[r])
            with otherwise, builder.if_else(ends_in(RELU)) as (rectified, plain):
                with rectified:
                    for r in tile:  # unordered: NaN must stay visible
                        store(r, builder.fcmp_unordered(">", results[r], nothing), results[r])
                with plain:
                    for r in tile:
                        builder.store(results[r], c_rows[r], align=4)
        return context.get_dummy_value()

    return signature, codegen


@njit(**OPTIONS)
def product(a, ai, a_row, a_k, b, bi, b_k, e, ei, e_row, c, ci, c_row, m, n, depth, end):
    """A ``(m, depth)`` times B ``(depth, n)`` into C, as ``_tile`` says; m in ROWS, n in COLS."""
    for j in range(0, n, COLS):
        for i in range(0, m, ROWS):
            _tile(
                a, ai + i * a_row, a_row, a_k, b, bi + j, b_k, e, ei + i * e_row + j, e_row,
                c, ci + i * c_row + j, c_row, depth, end,
            )  # fmt: skip
