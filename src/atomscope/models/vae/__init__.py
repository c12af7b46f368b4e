"""The rVAE: a pose-aware variational autoencoder of patches, its training, and encoding by it."""

from atomscope.models.vae.encode import column_names, encode
from atomscope.models.vae.fit import auto_epochs, fit
from atomscope.models.vae.model import Model
from atomscope.models.vae.traverse import Traversal, traversals

__all__ = ["Model", "Traversal", "auto_epochs", "column_names", "encode", "fit", "traversals"]
