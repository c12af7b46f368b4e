import logging
import shutil
import warnings

import numpy as np
import pytest
from conformance import ALL_FORMATS, ReaderConformance, make

from atomscope.errors import AtomscopeError
from atomscope.io import describe, open_stack


class TestReaders(ReaderConformance):
    """Every reader, every promise."""


@pytest.mark.slow
@pytest.mark.parametrize("form", ALL_FORMATS, ids=lambda f: f.name.replace(" ", "-"))
def test_random_damage_gives_errors_of_ours_or_numbers_never_anything_else(form, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    rng = np.random.default_rng(0)
    (tmp_path / "whole").mkdir()
    make(form, tmp_path / "whole")
    for trial in range(25):
        shutil.copytree(tmp_path / "whole", tmp_path / "hurt")
        path = tmp_path / "hurt" / form.filename
        files = sorted(f for f in (tmp_path / "hurt").rglob("*") if f.is_file() and f.stat().st_size)
        file = files[rng.integers(len(files))]
        raw = bytearray(file.read_bytes())
        reach = len(raw) if trial % 2 else min(len(raw), 600)  # the header is hurt in every second trial
        for _ in range(rng.integers(1, 8)):
            raw[rng.integers(reach)] = rng.integers(256)
        file.write_bytes(bytes(raw))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                describe(path, **form.options)
                stack = open_stack(path, **form.options)
                if stack.data.nbytes < 1e8:
                    for i in range(min(stack.n_frames, 20)):
                        stack.frame(i)
            except AtomscopeError:
                pass
        shutil.rmtree(tmp_path / "hurt")
