"""A training run that is killed goes on, and ends where it would have ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from atomscope import io

CODE = """
import sys
import numpy as np
import atomscope as ats
folder = sys.argv[1]
x = np.random.default_rng(0).normal(size=(400, 16, 16)).astype(np.float32)
x[:, 4:8, 4:12] += np.linspace(-2, 2, 400)[:, None, None]
print("go", flush=True)
ats.fit(x, ats.RVAE(hidden=16), epochs=60, batch_size=20, checkpoint_every=1, checkpoint=folder, patience=50)
print("done", flush=True)
"""


def start(folder) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CODE), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "go"
    return child


def kills(tmp_path, count: int) -> None:
    child = start(tmp_path / "whole")
    began = time.monotonic()
    assert child.wait(timeout=300) == 0
    seconds = time.monotonic() - began
    rng = np.random.default_rng(1)
    killed = 0
    for _ in range(10 * count):
        child = start(tmp_path / "cut")
        try:
            child.wait(timeout=float(rng.uniform(0.1, 0.7)) * seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            killed += 1
        child.wait()
        if killed == count:
            break
        if child.returncode == 0 and killed < count:  # it came to its end: once more from the beginning
            for path in (tmp_path / "cut").iterdir():
                path.unlink()
            (tmp_path / "cut").rmdir()
    child = start(tmp_path / "cut")
    assert child.wait(timeout=300) == 0
    whole, cut = (io.read_model(tmp_path / name) for name in ("whole", "cut"))
    assert whole.tensors.keys() == cut.tensors.keys()
    assert all(np.array_equal(whole.tensors[k], cut.tensors[k]) for k in whole.tensors)
    assert len(whole.meta["history"]) == len(cut.meta["history"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_run_goes_on_to_the_same_end(tmp_path):
    kills(tmp_path, 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ten_kills_change_nothing(tmp_path):
    kills(tmp_path, 10)
