"""Thin lines to a network of branches: ordered, split at junctions, spurs pruned, gaps bridged."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.draw import line as draw_line
from skimage.morphology import skeletonize

_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
#: An end looks ahead along its last so many points.
_BACK = 8
#: ... within this angle to either side (cosine of 50 degrees).
_AHEAD = 0.64
#: Pieces of fewer pixels are not joined to anything.
_FRAGMENT = 5
#: Holes in a line of so many pixels are none, px.
_HOLE = 9


@dataclass
class Branch:
    """A line between two nodes.

    Attributes
    ----------
    points : numpy.ndarray, shape (n, 2), float64, px
        In order; with the places of its nodes at the ends.
    ends : tuple of int
        The nodes at the first and at the last point; the same one twice for a closed line.
    """

    points: np.ndarray
    ends: tuple[int, int]

    @property
    def length(self) -> float:
        """Length along the pixels, px (rough: they go in steps)."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


@dataclass
class Network:
    """Branches, and at each node the branches that end there (twice for one that begins and ends there)."""

    branches: dict[int, Branch] = field(default_factory=dict)
    nodes: dict[int, list[int]] = field(default_factory=dict)

    def add(self, branch: Branch) -> int:
        """Add a branch and return its number."""
        number = max(self.branches, default=-1) + 1
        self.branches[number] = branch
        for node in branch.ends:
            self.nodes.setdefault(node, []).append(number)
        return number

    def remove(self, number: int) -> Branch:
        """Take a branch out."""
        branch = self.branches.pop(number)
        for node in branch.ends:
            self.nodes[node].remove(number)
        return branch

    def free(self, branch: Branch) -> tuple[bool, bool]:
        """Say which ends of a branch touch no other one."""
        return len(self.nodes[branch.ends[0]]) == 1, len(self.nodes[branch.ends[1]]) == 1


def trace(thin: np.ndarray) -> Network:
    """Follow lines that are one pixel wide.

    Parameters
    ----------
    thin : numpy.ndarray, shape (rows, cols), bool

    Returns
    -------
    Network
        Pixels that touch at a corner are neighbours only where no side connects them. Junctions that touch are one,
        at their middle.
    """
    places = np.argwhere(thin)
    number = np.full((thin.shape[0] + 2, thin.shape[1] + 2), -1, np.int64)
    r, c = places.T + 1
    number[r, c] = np.arange(len(places))
    links: list[list[int]] = [[] for _ in places]
    for dr, dc in (*_SIDES, *_CORNERS):
        other = number[r + dr, c + dc]
        linked = other >= 0
        if dr and dc:
            linked &= (number[r + dr, c] < 0) & (number[r, c + dc] < 0)
        for i in np.flatnonzero(linked):
            links[i].append(int(other[i]))
    degree = np.array([len(n) for n in links], np.int64)
    node, where = _nodes(places, degree, thin.shape)
    network = Network()
    used: set[tuple[int, int]] = set()
    walked = set(np.flatnonzero(degree != 2).tolist())
    for start in np.flatnonzero(degree != 2):
        for first in links[start]:
            if (int(start), first) in used:
                continue
            path = _walk(int(start), first, links, degree)
            used.update(((path[0], path[1]), (path[-1], path[-2])))
            walked.update(path)
            a, b = int(node[path[0]]), int(node[path[-1]])
            if a == b and len(path) <= 3 and degree[path[0]] > 2:
                continue  # within one junction
            points = np.concatenate([[where[a]], places[path[1:-1]], [where[b]]])
            network.add(Branch(points.astype(np.float64), (a, b)))
    _add_loops(network, places, links, walked, len(where))
    return network


def _nodes(places: np.ndarray, degree: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the node of each pixel, an end or a junction (-1: none), and the place of each node."""
    node = np.full(len(places), -1, np.int64)
    crowd = np.zeros(shape, bool)
    junction = degree > 2
    crowd[tuple(places[junction].T)] = True
    parts, count = ndimage.label(crowd, np.ones((3, 3)))
    node[junction] = parts[tuple(places[junction].T)] - 1
    where = [np.array(p) for p in ndimage.center_of_mass(crowd, parts, range(1, count + 1))]
    for i in np.flatnonzero(degree < 2):
        node[i] = len(where)
        where.append(places[i].astype(np.float64))
    return node, np.array(where).reshape(-1, 2)


def _walk(start: int, first: int, links: list[list[int]], degree: np.ndarray) -> list[int]:
    path = [start, first]
    while degree[path[-1]] == 2:
        a, b = links[path[-1]]
        path.append(b if a == path[-2] else a)
    return path


def _add_loops(network: Network, places: np.ndarray, links: list[list[int]], walked: set[int], node: int) -> None:
    """Add closed lines without a junction: what has not been walked yet."""
    for start in range(len(places)):
        if start in walked:
            continue
        path = [start, links[start][0]]
        while path[-1] != start:
            a, b = links[path[-1]]
            path.append(b if a == path[-2] else a)
        walked.update(path)
        network.add(Branch(places[path].astype(np.float64), (node, node)))
        node += 1


def prune(network: Network, shortest: float, shape: tuple[int, ...]) -> Network:
    """Drop spurs shorter than ``shortest``, the shortest first, join what they had split, drop short lone lines.

    A line that ends at the edge of the frame, of ``shape``, goes on outside: it is no spur.
    """
    last = np.array(shape) - 1

    def spur(branch: Branch) -> bool:
        free = network.free(branch)
        if branch.ends[0] == branch.ends[1] or sum(free) != 1:
            return False
        tip = branch.points[0] if free[0] else branch.points[-1]
        return bool((tip > 0.5).all() and (tip < last - 0.5).all())

    queue = [(b.length, n) for n, b in network.branches.items() if spur(b) and b.length < shortest]
    for node in list(network.nodes):
        _join(network, node)
    heapq.heapify(queue)
    while queue:
        length, number = heapq.heappop(queue)
        branch = network.branches.get(number)
        if branch is None or abs(branch.length - length) > 1e-9 or not spur(branch):
            continue
        network.remove(number)
        for node in branch.ends:
            joined = _join(network, node)
            if joined is None:
                continue
            new = network.branches[joined]
            if spur(new) and new.length < shortest:
                heapq.heappush(queue, (new.length, joined))
    for number, branch in list(network.branches.items()):
        lone = all(network.free(branch)) or (
            branch.ends[0] == branch.ends[1] and len(network.nodes[branch.ends[0]]) == 2
        )
        if lone and branch.length < shortest:
            network.remove(number)
    return network


def _join(network: Network, node: int) -> int | None:
    """Make one line of the two that meet at a node; return its number, None when they are not two."""
    here = network.nodes.get(node, [])
    if len(here) != 2 or here[0] == here[1]:
        return None
    a, b = (network.remove(number) for number in tuple(here))
    first = a.points if a.ends[1] == node else a.points[::-1]
    second = b.points if b.ends[0] == node else b.points[::-1]
    start = a.ends[0] if a.ends[1] == node else a.ends[1]
    stop = b.ends[1] if b.ends[0] == node else b.ends[0]
    return network.add(Branch(np.concatenate([first, second[1:]]), (start, stop)))


def bridge(thin: np.ndarray, reach: float) -> np.ndarray:
    """Join ends of lines to what lies ahead of them within ``reach`` px: another line, or the edge of the frame.

    Canny leaves gaps where walls meet, because the gradient has no one direction there.

    Parameters
    ----------
    thin : numpy.ndarray, shape (rows, cols), bool
    reach : float, px

    Returns
    -------
    numpy.ndarray, shape (rows, cols), bool
    """
    if reach <= 0 or not thin.any():
        return thin
    network = trace(thin)
    rows, cols = thin.shape
    out = thin.copy()
    numbers = [n for n, b in network.branches.items() if len(b.points) >= _FRAGMENT]
    points = np.concatenate([network.branches[n].points for n in numbers]) if numbers else np.zeros((0, 2))
    if not len(points):
        return thin
    owner = np.concatenate([np.full(len(network.branches[n].points), n) for n in numbers])
    index = np.concatenate([np.arange(len(network.branches[n].points)) for n in numbers])
    tree = cKDTree(points)
    for n in numbers:
        branch = network.branches[n]
        for at_start, free in zip((True, False), network.free(branch), strict=True):
            if not free or branch.ends[0] == branch.ends[1]:
                continue
            way = branch.points if at_start else branch.points[::-1]
            end, back = way[0], way[min(_BACK, len(way) - 1)]
            ahead = (end - back) / max(float(np.hypot(*(end - back))), 1e-9)
            near = np.array(tree.query_ball_point(end, reach), np.int64)
            arc = np.abs(index[near] - (0 if at_start else len(way) - 1))
            near = near[(owner[near] != n) | (arc > 3 * reach)]
            gap = points[near] - end
            far = np.hypot(*gap.T)
            fits = (gap @ ahead > _AHEAD * far) & (far > 0)
            target: np.ndarray | None = None
            if fits.any():
                # The nearest, and rather straight ahead than to the side.
                cost = far[fits] * (2 - gap[fits] @ ahead / far[fits])
                target = points[near[fits][np.argmin(cost)]]
            edge = [
                (limit - e) / a
                for e, a, limit in zip((*end, *end), (*ahead, *ahead), (0, 0, rows - 1, cols - 1), strict=True)
                if abs(a) > 1e-9 and (limit - e) / a > 0
            ]
            if edge and min(edge) <= reach and (target is None or min(edge) < np.hypot(*(target - end))):
                target = end + min(edge) * ahead
            if target is not None:
                r0, c0, r1, c1 = np.rint([*end, *target]).astype(int)
                rr, cc = draw_line(r0, c0, r1, c1)
                keep = (rr >= 0) & (rr < rows) & (cc >= 0) & (cc < cols)
                out[rr[keep], cc[keep]] = True
    return thinned(out)


def thinned(mask: np.ndarray) -> np.ndarray:
    """Return the middle lines of a mask; holes of a few pixels, which would be loops, are filled first."""
    holes, count = ndimage.label(~mask)
    if count:
        size = np.bincount(holes.ravel())
        size[0] = _HOLE + 1
        mask = mask | (size <= _HOLE)[holes]
    return np.asarray(skeletonize(mask))
