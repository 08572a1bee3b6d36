"""The register tile: one small matrix product, of which all products of the sparse engine are made.

The engine multiplies a few dozen rows at a time. A general matrix library spends much of such a
call on packing and dispatch; this tile reads its operands where they lie.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

ROWS, COLS = 4, 16  # 4 x 16 float32 accumulators fill half of AVX2's registers

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


@intrinsic
def sobel_row(_typing, a, ai, pitch, c, ci):
    """Identity, Sobel x and Sobel y of 16 channels at once: ``c[ci:][:48]`` from ``a[ai:][:16]``.

    ``a`` is a flat grid of 16 channels a cell and ``pitch`` floats a row.
    """
    signature = types.void(a, types.intp, types.intp, c, types.intp)

    def codegen(context, builder, signature, args):
        centre = _address(context, builder, signature.args[0], args[0], args[1])
        out = _address(context, builder, signature.args[3], args[3], args[4])
        integer = args[2].type

        def row(direction):
            """The neighbours left, here and right in the row above, here or below."""
            middle = builder.gep(centre, [builder.mul(args[2], ir.Constant(integer, direction))])
            return [
                builder.load(_vector(builder, middle, ir.Constant(integer, dx * COLS)), align=4)
                for dx in (-1, 0, 1)
            ]

        def store(value, place):
            at = _vector(builder, out, ir.Constant(integer, place * COLS))
            builder.store(value, at, align=4)

        (nw, n, ne), (w, here, e), (sw, s, se) = row(-1), row(0), row(1)
        eighth, quarter = (ir.Constant(VECTOR, [value] * COLS) for value in (0.125, 0.25))
        x = builder.fadd(builder.fsub(ne, nw), builder.fsub(se, sw))
        y = builder.fadd(builder.fsub(sw, nw), builder.fsub(se, ne))
        straight_x = builder.fmul(quarter, builder.fsub(e, w))
        straight_y = builder.fmul(quarter, builder.fsub(s, n))
        store(here, 0)
        store(_multiply_add(builder, eighth, x, straight_x), 1)
        store(_multiply_add(builder, eighth, y, straight_y), 2)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def _tile(_typing, a, ai, a_row, a_k, b, bi, b_k, start, si, s_row, c, ci, c_row, depth):
    """``C[r, :] = start[r, :] + sum_k A[r, k] * B[k, :]`` for a tile of ROWS x COLS, in registers.

    Every matrix is a flat float32 array with an offset and strides: element (r, k) of A lies at
    ``a[ai + r * a_row + k * a_k]``, row k of B at ``b[bi + k * b_k:][:16]``. ``start`` may be C
    itself (accumulate) or one row with stride 0 (a bias). Written as LLVM vectors, because a loop
    over arrays would go through memory at every multiplication.
    """
    index = types.intp
    signature = types.void(
        a, index, index, index, b, index, index, start, index, index, c, index, index, index
    )  # fmt: skip

    def codegen(context, builder, signature, args):
        integer = args[-1].type

        def times(row, stride):
            return builder.mul(stride, ir.Constant(integer, row))

        a_base, b_base, start_base, c_base = (
            _address(context, builder, signature.args[i], args[i], args[i + 1])
            for i in (0, 4, 7, 10)
        )
        a_row, a_k, b_k, s_row, c_row, depth = (args[i] for i in (2, 3, 6, 9, 12, 13))
        tile = range(ROWS)
        initial = [
            builder.load(_vector(builder, start_base, times(r, s_row)), align=4) for r in tile
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
        for r in tile:
            builder.store(results[r], _vector(builder, c_base, times(r, c_row)), align=4)
        return context.get_dummy_value()

    return signature, codegen


@njit(**OPTIONS)
def product(a, ai, a_row, a_k, b, bi, b_k, start, si, s_row, c, ci, c_row, m, n, depth):
    """``C (m, n) = start + A (m, depth) B (depth, n)``; m a multiple of ROWS, n of COLS."""
    for j in range(0, n, COLS):
        for i in range(0, m, ROWS):
            _tile(
                a, ai + i * a_row, a_row, a_k, b, bi + j, b_k,
                start, si + i * s_row + j, s_row, c, ci + i * c_row + j, c_row, depth,
            )  # fmt: skip
