"""The window: dock widgets, forms, workers and linked plots. The only room that knows Qt and napari."""

import os

from atomscope.widgets.singletons import keep_singletons

# Worker threads of a numerical job that spin while they wait take the processor from the window: on two cores the
# longest pause of the window while training and scrubbing halves when they sleep. Read when OpenMP is loaded, which is
# when torch is first imported; results do not change.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

keep_singletons()
