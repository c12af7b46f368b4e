"""Models: the only room that knows torch. Pose-aware variational autoencoders, training, encoding."""

from atomscope.models.encode import column_names, encode
from atomscope.models.fit import auto_epochs, fit
from atomscope.models.model import Model

__all__ = ["Model", "auto_epochs", "column_names", "encode", "fit"]
