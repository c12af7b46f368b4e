"""One job of a peer, timed. Run by ``bench_peers.py`` in the venv of the peers: ``python peer.py JOB INPUT.npz``.

Prints one line of JSON: what was done a second. It imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import resource
import sys
import time
import warnings
from types import ModuleType

import numpy as np

warnings.filterwarnings("ignore")


def trackpy_find(data) -> dict:
    import trackpy

    trackpy.quiet()
    frame, diameter = data["frame"], int(data["diameter"])
    trackpy.locate(frame[:64, :64], diameter)  # compile
    start = time.perf_counter()
    found = trackpy.locate(frame, diameter, percentile=20)
    return {"per_s": len(found) / (time.perf_counter() - start), "positions": found[["y", "x"]].to_numpy().tolist()}


def atomai_network(data) -> dict:
    without_torchvision()
    import torch
    from atomai.nets import Unet

    frame = torch.as_tensor(data["frame"], dtype=torch.float32)[None, None]
    net = Unet(nb_classes=1).eval()  # trained or not, it takes as long
    with torch.inference_mode():
        net(frame)
        start = time.perf_counter()
        for _ in range(5):
            torch.sigmoid(net(frame))
    return {"per_s": 5 / (time.perf_counter() - start)}


def atomai_crop(data) -> dict:
    without_torchvision()
    from atomai.utils import extract_subimages

    movie, coordinates = data["movie"][..., None], data["coordinates"]
    sites = {i: np.column_stack([c, np.zeros(len(c))]) for i, c in enumerate(coordinates)}
    start = time.perf_counter()
    cut = extract_subimages(movie, sites, 32)[0]
    return {"per_s": len(cut) / (time.perf_counter() - start)}


def atomai_train(data, cycles: int = 1) -> dict:
    return atomai_fit(data, cycles)[1]


def atomai_fit(data, cycles: int) -> tuple[object, dict]:
    without_torchvision()
    from atomai.models import rVAE

    x = data["patches"]
    model = rVAE(x.shape[1:], latent_dim=2, numhidden_encoder=128, numhidden_decoder=128)
    start = time.perf_counter()
    model.fit(x, training_cycles=cycles, batch_size=200, filename="/dev/null", loss="mse")
    took = time.perf_counter() - start
    return model, {"per_s": cycles * len(x) / took, "took": took}


def atomai_encode(data, cycles: int = 1) -> dict:
    x = data["patches"]
    model, _ = atomai_fit({"patches": x[:1000]}, 1)  # trained or not, it takes as long
    times = []
    for _ in range(5):
        start = time.perf_counter()
        model.encode(x)
        times.append(time.perf_counter() - start)
    return {"per_s": len(x) / min(times)}


def atomai_reach(data, cycles: int) -> dict:
    model, said = atomai_fit(data, cycles)
    z = model.encode(data["patches"])[0]
    return said | {"table": table(z)}


def table(z) -> dict:
    """Angle, two shifts and two latents by our names, in the units that the peers have them in."""
    z = np.asarray(z, float)
    return {c: z[:, i].tolist() for i, c in enumerate(("angle", "shift_row", "shift_col", "z1", "z2"))}


def without_torchvision() -> None:
    """Let a package that only draws pictures with torchvision be imported where that does not fit the torch."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in ("torchvision", "torchvision.utils", "torchvision.models"):
            sys.modules[name] = ModuleType(name)
        for name in ("mobilenet_v2", "resnet50", "vgg16"):
            setattr(sys.modules["torchvision.models"], name, None)
        sys.modules["torchvision.utils"].make_grid = None


def pyroved_train(data, cycles: int = 1) -> dict:
    return pyroved_fit(data, cycles)[1]


def pyroved_fit(data, cycles: int) -> tuple[object, dict]:
    without_torchvision()
    import pyroved as pv
    import torch

    x = torch.as_tensor(data["patches"])
    loader = pv.utils.init_dataloader(x, batch_size=200)
    model = pv.models.iVAE(x.shape[1:], 2, ["r", "t"], sampler_d="gaussian", sigmoid_d=False)
    trainer = pv.trainers.SVItrainer(model)
    start = time.perf_counter()
    for _ in range(cycles):
        trainer.step(loader)
    took = time.perf_counter() - start
    return model, {"per_s": cycles * len(x) / took, "took": took}


def pyroved_reach(data, cycles: int) -> dict:
    import torch

    model, said = pyroved_fit(data, cycles)
    return said | {"table": table(model.encode(torch.as_tensor(data["patches"]))[0])}


if __name__ == "__main__":
    job, path, *cycles = sys.argv[1:]
    with np.load(path) as npz:
        inputs = dict(npz)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        result = globals()[job](inputs, *map(int, cycles))
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))
