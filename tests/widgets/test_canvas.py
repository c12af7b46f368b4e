from __future__ import annotations

import subprocess
import sys

import pytest

#: A movie and some points, scrubbed before and after the points are removed.
SCRUB = """
import sys
import napari, numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from atomscope.widgets.state import viewer_state

def run(ms):
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()

def move():
    viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 1) % 20)

viewer = napari.Viewer(show=True)
viewer.window.resize(1600, 1000)
viewer_state(viewer)
rng = np.random.default_rng(0)
viewer.add_image(rng.random((20, 512, 512)).astype("f4"))
run(500)
points = viewer.add_points(rng.random((2000, 3)) * [20, 512, 512], size=5)
run(500)
timer = QTimer()
timer.timeout.connect(move)
timer.start(50)
run(2000)
viewer.layers.remove(points)
run(1000)
timer.stop()
viewer.close()
print("fine")
"""


@pytest.mark.gl
def test_a_movie_can_be_scrubbed_after_a_layer_was_removed(qapp):
    done = subprocess.run([sys.executable, "-c", SCRUB], capture_output=True, text=True, timeout=120)
    assert "fine" in done.stdout, (done.returncode, done.stderr[-2000:])
