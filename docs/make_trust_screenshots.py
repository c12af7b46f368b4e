"""Make the pictures of the tutorial on trust: doubt and quality on a shipped sample. ``make docs`` runs it too."""

from __future__ import annotations

import numpy as np
from make_screenshots import dock, shoot, start, wait


def drive() -> None:
    import napari

    import atomscope as ats
    from atomscope.widgets.quality import QualityWidget

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    stack, truth = ats.simulate.image(
        "graphene", size_px=256, dose=1.5, seed=4, vacancies=0.01, holes=0.1, contamination=0.3
    )
    image = viewer.add_image(stack.frame(0), name="graphene, 1.5 e")
    find = dock(viewer, "Find atoms")
    find.live.setChecked(False)
    form = find.forms[0]
    form.set(form.params().replace(method="network", uncertainty="dropout"))
    form.fold.expand()
    find.run_bar.button.click()
    wait(lambda: len(viewer.layers) == 2 and not find.runner.busy, "the atoms")
    shoot(viewer, "doubt_sites")
    find.doubt.click()
    for layer in viewer.layers:
        layer.visible = layer is image or "mutual" in layer.name
    shoot(viewer, "doubt_image")
    for layer in viewer.layers:
        layer.visible = "mutual" not in layer.name

    there = truth.table[truth.table["present"]]
    reference = viewer.add_points(there[["row", "col"]].to_numpy(), name="truth", visible=False)
    quality: QualityWidget = dock(viewer, "Quality")
    quality.points_box.choose(next(x for x in viewer.layers if x.name.endswith("atoms")))
    quality.run_bar.button.click()
    wait(lambda: "places" in quality.run_bar.status.text() and not quality.runner.busy, "the check", 120)
    shoot(viewer, "quality")
    quality.with_reference.setChecked(True)
    quality.reference_box.choose(reference)
    quality.compare_form.set(quality.compare_form.params().replace(margin_px=4.0))
    quality.run_bar.button.click()
    wait(lambda: not quality.runner.busy and quality.curve.table is not None, "the comparison", 120)
    quality.go_to(int(np.flatnonzero(quality.places["what"].isin(["missed", "false"]))[0]))
    shoot(viewer, "quality_reference")
    viewer.close()


if __name__ == "__main__":
    start(__file__, drive)
