"""What made a record: enough to make it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """The step, its parameters, the source and the version that made a record (JSON-able)."""

    step: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    version: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"step": self.step, "params": self.params, "source": self.source, "version": self.version}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Provenance:
        """Build from :meth:`as_dict`; unknown keys are ignored so that newer files open."""
        return cls(**{k: d[k] for k in ("step", "params", "source", "version") if k in d})
