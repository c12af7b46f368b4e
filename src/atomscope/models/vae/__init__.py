"""The rVAE: a pose-aware variational autoencoder of patches, its training, and encoding by it."""

from atomscope.models.vae.encode import column_names, encode
from atomscope.models.vae.fit import auto_epochs, fit
from atomscope.models.vae.model import Model

__all__ = ["Model", "auto_epochs", "column_names", "encode", "fit"]
