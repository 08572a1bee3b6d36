"""The array job of docs/array-jobs.md as it stands, under a stand-in for Slurm's ``sbatch``."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from idx import write_set

from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group

PAGE = (Path(__file__).parents[2] / "docs" / "array-jobs.md").read_text()
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell")

# What sbatch does with a script of #SBATCH lines, one task after the other; prints the job's id.
SBATCH = """#!/usr/bin/env python3
import os, re, subprocess, sys
words = sys.argv[1:]
state = os.environ["SLURM_STATE"]  # ids of jobs that ended well
if "--wrap" in words:
    after = next(word for word in words if word.startswith("--dependency=afterok:"))
    if after.rpartition(":")[2] not in open(state).read().split():
        sys.exit("DependencyNeverSatisfied")
    sys.exit(subprocess.call(["sh", "-c", words[words.index("--wrap") + 1]]))
script = open(words[-1]).read()
options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\\S+)$", script, re.MULTILINE))
first, last = map(int, options["array"].split("-"))
codes = []
for task in range(first, last + 1):
    numbers = {"ARRAY_TASK_ID": task, "ARRAY_TASK_COUNT": last - first + 1,
               "CPUS_PER_TASK": options["cpus-per-task"]}
    job = os.environ | {f"SLURM_{name}": str(number) for name, number in numbers.items()}
    codes.append(subprocess.call(["bash", words[-1]], env=job, stdout=sys.stderr))
print(os.getpid())
if not any(codes):
    print(os.getpid(), file=open(state, "a"))
"""


def blocks():
    """The job script of the page and the lines that submit it, for 2 tasks of one CPU."""
    section = PAGE.partition("As an array job under Slurm")[2]
    script, submit = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[:2]
    assert "--array=1-16" in script
    assert "of-16" in submit
    script = script.replace("--array=1-16", "--array=1-2").replace("task=8", "task=1")
    return script, submit.replace("of-16", "of-2")


@pytest.mark.wide
def test_the_array_job_of_the_page_makes_one_zoo(tmp_path, monkeypatch):
    write_set(tmp_path / "data", "mnist", 5, 5, tuple(range(2)), train=1)
    script, submit = blocks()
    (tmp_path / "build.sh").write_text(script)
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(SBATCH)
    sbatch.chmod(sbatch.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(sbatch.parent), str(Path(sys.executable).parent)])
    (tmp_path / "ended").touch()
    environment = os.environ | {
        "PATH": path + os.pathsep + os.environ["PATH"],
        "NCA_ZOO_DATA": str(tmp_path / "data"),
        "SLURM_STATE": str(tmp_path / "ended"),
    }

    def run():
        return subprocess.run(
            ["bash", "-e", "-c", submit],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    # One task fails: what depends on the array does not run.
    (tmp_path / "mnist-part-2-of-2.h5").mkdir()
    first = run()
    assert first.returncode != 0
    assert "DependencyNeverSatisfied" in first.stderr
    assert not (tmp_path / "mnist.h5").exists()
    (tmp_path / "mnist-part-2-of-2.h5").rmdir()

    again = run()
    assert again.returncode == 0, again.stderr
    assert "holds 1 of 1 already" in again.stderr  # the parts that were done
    monkeypatch.setenv("NCA_ZOO_DATA", str(tmp_path / "data"))
    arguments = ["build", "--source", "mnist", "--digits", "0-9", "--per-class", "all"]
    whole = tmp_path / "whole.h5"
    result = CliRunner().invoke(group, [*arguments, "--jobs", "1", "--out", str(whole)])
    assert result.exit_code == 0, result.output
    one, other = open_zoo(tmp_path / "mnist.h5"), open_zoo(whole)
    assert len(one) == 2
    for name in one.columns:
        if name != "wall_s":
            np.testing.assert_array_equal(one.column(name), other.column(name), err_msg=name)
