"""The API reference: made from the docstrings without a warning, with a page for every module."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def test_the_reference_is_made_without_warnings_and_has_all_modules(tmp_path):
    pytest.importorskip("pdoc")
    command = [sys.executable, CHECKOUT / "docs" / "api.py", tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert run.stdout.strip() == str(tmp_path / "index.html")
    made = {path.relative_to(tmp_path).with_suffix("") for path in tmp_path.rglob("*.html")}
    for source in (CHECKOUT / "nca_zoo").rglob("*.py"):
        module = source.relative_to(CHECKOUT).with_suffix("")
        module = module.parent if module.name == "__init__" else module
        if not any(part.startswith("_") for part in module.parts):
            assert module in made, module
    assert "weights" in (tmp_path / "nca_zoo" / "rule.html").read_text()
