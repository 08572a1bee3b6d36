"""The same bits everywhere: ten NCAs of every regime have the SHA-256 that they had elsewhere."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import bits
import llvmlite.binding
import numpy as np
import pytest
from wide import mostly_wide

import nca_zoo

PACKAGE = Path(nca_zoo.__file__).parent
KEPT = json.loads(Path(__file__).with_name("bits.json").read_text("utf-8"))
FUSED = llvmlite.binding.get_host_cpu_features().get("fma", True)  # listed on x86 alone
pytestmark = pytest.mark.skipif(not FUSED, reason="no fused multiply-add, so other bits")

QUICK = "persistent-rgba"
SIMD = " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
SETTINGS = {  # what the libraries below take on other processors
    "Zen, and libraries of a Sandybridge": {
        "OPENBLAS_CORETYPE": "Sandybridge",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2",  # another cos and log in libm
        "NUMBA_CPU_NAME": "znver2",
    },
    "Prescott": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": SIMD,
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CPU_FEATURES": "+fma,+avx",
    },
}


@pytest.mark.parametrize("case", mostly_wide([QUICK, *sorted(bits.CASES - {QUICK})]))
def test_ten_ncas_have_the_bits_that_they_have_elsewhere(kept_digits, case):
    assert dict(bits.digests(case, kept_digits)) == KEPT[case]


@pytest.mark.wide
@pytest.mark.skipif("fma" not in llvmlite.binding.get_host_cpu_features(), reason="x86 alone")
@pytest.mark.parametrize("processor", SETTINGS)
def test_bits_hang_on_no_kernels_of_others(tmp_path, processor):
    """A process whose BLAS, numpy, libm or LLVM takes what it would on another processor."""
    settings = SETTINGS[processor]
    names = [bits.DEFAULT, "writeup-grey"]  # with the gate's decisions; with a cosine
    apart = {"NUMBA_CACHE_DIR": str(tmp_path)} if "NUMBA_CPU_NAME" in settings else {}
    found = subprocess.run(
        [sys.executable, Path(bits.__file__), "--digits", "1", *names],
        env=os.environ | apart | settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    expected = {name: {"1-000": KEPT[name]["1-000"]} for name in names}
    assert json.loads(found.stdout) == expected


# What weights are made of: every file of the room that trains, and what it computes with.
SOURCES = sorted(
    [
        *PACKAGE.glob("training/*.py"),
        *(PACKAGE / "automaton" / f"{name}.py" for name in ("noise", "wounds", "record")),
        *(PACKAGE / "life" / f"{name}.py" for name in ("quality", "healing", "engines/sparse")),
        *(PACKAGE / "life/engines" / f"{name}.py" for name in ("kernels", "tile", "planes")),
    ]
)
FREE = {  # their sums have no order of ours, or their last bit is another one elsewhere
    "sum", "mean", "average", "std", "var", "prod", "cumsum", "dot", "vdot", "inner", "outer",
    "matmul", "einsum", "tensordot", "norm", "cos", "sin", "tan", "tanh", "exp", "expm1", "exp2",
    "log", "log2", "log1p", "log10", "pow", "power", "float_power", "hypot", "cbrt", "fma",
}  # fmt: skip


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_makes_weights_computes_in_an_order_of_our_own(path):
    """Sums, powers and the like are those of ``ground.arithmetic``; no product of matrices."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in FREE:
                found.append((node.lineno, name))
            case ast.BinOp(op=ast.MatMult()) | ast.AugAssign(op=ast.MatMult()):
                found.append((node.lineno, "@"))
            case ast.BinOp(op=ast.Pow()) if not isinstance(node.right, ast.Constant):
                found.append((node.lineno, "**"))
            case ast.keyword(arg="fastmath"):
                found.append((node.lineno, "fastmath"))
            case ast.Constant(value="fastmath"):
                found.append((node.lineno, "fastmath"))
    assert not found, f"{path.name}: {found}: use nca_zoo.ground.arithmetic"
