"""The audit of CI tells what was looked up from what was not, and a weakness is one."""

import json
import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

AUDIT = Path(__file__).parents[2] / ".ci" / "audit"
SKIPPED = {"name": "numpy", "skip_reason": "Dependency not found on PyPI"}
SOUND = {"name": "h5py", "version": "3.16.0", "vulns": []}
WEAK = {"name": "pillow", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ({"pypi": [SKIPPED], "osv": [SKIPPED]}, 0, "Dependencies not audited: neither PyPI's"),
        ({}, 0, "Dependencies not audited: neither PyPI's"),
        ({"pypi": [SOUND]}, 0, "0 of 1 libraries have known weaknesses, says pypi.\n"),
        ({"pypi": [SKIPPED], "osv": [SOUND, SKIPPED]}, 0, "says osv.\n1 more could not be looked"),
        ({"pypi": [SOUND, WEAK]}, 1, "pillow 1.0: PYSEC-1; mended in: 1.1\n1 of 2 libraries"),
    ],
)
def test_what_the_audit_says(monkeypatch, capsys, found, code, said):
    def pip_audit(command, **_):
        service = command[command.index("--vulnerability-service") + 1]
        text = json.dumps({"dependencies": found[service]}) if service in found else ""
        return SimpleNamespace(stdout=text, returncode=0)

    monkeypatch.setattr(subprocess, "run", pip_audit)
    assert runpy.run_path(str(AUDIT))["report"](Path("python")) == code
    assert said in capsys.readouterr().out
