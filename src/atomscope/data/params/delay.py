"""Parameters of pairs of windows: the same place at two times."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from atomscope.data.params.base import Params, field


class DelayParams(Params):
    """Cut each place twice: in the frame of its site, and some frames later or earlier."""

    lag: int = field(1, "Lag", "Frames from the one to the other; negative: back in time.", unit="frames")
    lag_s: float | None = field(
        None, "Lag (s)", "The same in seconds; when given it replaces the lag in frames.", unit="s", advanced=True
    )
    follow: Literal["drift", "nothing", "track"] = field(
        "drift",
        "Same place",
        "drift: moved as the sites of the frames moved together. nothing: the same pixel. track: where the site's own "
        "track is.",
    )
    pairs: Literal["predict", "stack"] = field(
        "predict",
        "Pairs",
        "predict: read the one, draw the other. stack: both as channels of one patch.",
        advanced=True,
    )

    @model_validator(mode="after")
    def _not_now(self) -> DelayParams:
        if self.lag_s is None and self.lag == 0:
            raise ValueError("lag: wanted a number of frames that is not 0")
        return self
