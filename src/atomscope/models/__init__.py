"""Models: the only room that knows torch. Pose-aware variational autoencoders, training, encoding."""

import os

# Read when OpenMP is loaded, which is when torch is first imported: how long a thread that waits for the others spins
# before it sleeps. GNU's default takes the processor from a window or from a second process; sleeping at once is slower
# than one thread (a training step 28 ms; as it comes 18 to 22; so 16 to 18). Results do not change.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from atomscope.models.vae import Model, Traversal, auto_epochs, column_names, encode, fit, traversals

__all__ = ["Model", "Traversal", "auto_epochs", "column_names", "encode", "fit", "traversals"]
