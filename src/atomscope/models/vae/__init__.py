"""The family of pose-aware variational autoencoders of patches: the network, its training, and encoding by it."""

from atomscope.models.vae.encode import column_names, encode
from atomscope.models.vae.fit import fit
from atomscope.models.vae.model import Model
from atomscope.models.vae.training import auto_epochs
from atomscope.models.vae.traverse import Traversal, traversals

__all__ = ["Model", "Traversal", "auto_epochs", "column_names", "encode", "fit", "traversals"]
