"""The rVAE: a pose-aware variational autoencoder of patches, its training, and encoding by it."""

from atomscope.models.rvae.encode import column_names, encode
from atomscope.models.rvae.fit import auto_epochs, fit
from atomscope.models.rvae.model import Model

__all__ = ["Model", "auto_epochs", "column_names", "encode", "fit"]
