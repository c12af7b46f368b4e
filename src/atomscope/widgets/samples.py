"""File > Open Sample: the shipped images, lazily, with their calibration."""

from __future__ import annotations

from typing import Any

LayerTuple = tuple[Any, dict[str, Any], str]


def _open(name: str) -> list[LayerTuple]:
    from atomscope import pipeline
    from atomscope.widgets.reader import image_tuple
    from atomscope.widgets.scan_door import show_scans

    layers = [image_tuple(pipeline.open_sample(name))]
    show_scans(layers)
    return layers


def graphene() -> list[LayerTuple]:
    """Graphene with vacancies and dopants: one frame."""
    return _open("graphene_defects")


def graphene_stone_wales() -> list[LayerTuple]:
    """Graphene with turned bonds, vacancies and dopants: one frame."""
    return _open("graphene_stone_wales")


def mos2_movie() -> list[LayerTuple]:
    """MoS2 with defects: a movie."""
    return _open("mos2_movie")


def gold_grain_boundary() -> list[LayerTuple]:
    """Two grains of gold and the boundary between them: one frame."""
    return _open("gold_grain_boundary")


def domain_walls() -> list[LayerTuple]:
    """Domains and the walls between them, with scratches: a movie."""
    return _open("domain_walls")


def nanorods() -> list[LayerTuple]:
    """Nanorods that lose their order: a movie."""
    return _open("nanorods")


def scan_domains() -> list[LayerTuple]:
    """Gold grains turned against each other: a 4D scan."""
    return _open("scan_domains")


def scan_vacancies() -> list[LayerTuple]:
    """MoS2 with missing and foreign columns at atomic resolution: a 4D scan."""
    return _open("scan_vacancies")


def scan_field() -> list[LayerTuple]:
    """Perovskite with a smooth electric field: a 4D scan."""
    return _open("scan_field")


def perovskite() -> list[LayerTuple]:
    """Perovskite with two cation columns: one frame."""
    return _open("perovskite")
