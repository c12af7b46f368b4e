from __future__ import annotations

import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

from atomscope.widgets.canvas import camera_of

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


def test_the_camera_is_reached_without_a_warning_in_old_and_new_napari(make_napari_viewer):
    viewer = make_napari_viewer()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        camera_of(viewer).zoom = 3.0
        assert camera_of(viewer).zoom == 3.0
    old = SimpleNamespace(camera=object())  # before 0.9 a viewer has no scene
    assert camera_of(old) is old.camera
