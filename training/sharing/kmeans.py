"""
KMeans of one-dimensional values, fast for many of them, and nearly the best there is.

Millions of weights become some thousands of weighted points (means of narrow bins). In one
dimension a cluster is a run of the sorted values; so the best clusters of some hundreds of points
are found exactly, scikit-learn's KMeans starts there and goes on with the thousands, and Lloyd's
algorithm on the sorted values themselves, with means from cumulative sums, finishes.
"""

from __future__ import annotations

import warnings

from edge_vision.core.errors import UserError
import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

FINE, LEAST_COARSE, COARSE_PER_CLUSTER = 4096, 512, 6  # points
STEPS = 100  # of Lloyd's algorithm at the end; it stops when nothing moves


def cluster_values(values: np.ndarray, clusters: int) -> np.ndarray:
    """
    Centres of `clusters` clusters of finite values of any shape: float32 [clusters], ascending.

    UserError where there are fewer distinct values.
    """
    ordered = np.sort(values.reshape(-1)).astype(np.float64)
    first = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > 0)  # of each distinct value
    if len(first) < clusters:
        raise UserError(
            f'{clusters} clusters cannot be made of {len(first)} distinct weights;'
            f' {len(first)} clusters or fewer would do.'
        )
    points, counts = ordered[first], np.diff(np.append(first, ordered.size))
    points, counts = _bins(points, counts, FINE)
    coarse = _bins(points, counts, max(LEAST_COARSE, COARSE_PER_CLUSTER * clusters))
    start = _best_centres(*coarse, clusters)
    # So few points are done before more threads are awake; on a busy machine these only wait.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter('ignore', ConvergenceWarning)
        found = KMeans(clusters, init=start[:, None], n_init=1).fit(
            points[:, None], sample_weight=counts
        )
    return _settle(ordered, np.sort(found.cluster_centers_[:, 0])).astype(np.float32)


def nearest(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the nearest of ascending centres for each value: uint8 of the values' shape."""
    return np.searchsorted(_borders(centres), values).astype(np.uint8)


def inertia(values: np.ndarray, centres: np.ndarray) -> float:
    """Sum of squared distances from each value to its nearest centre."""
    off = values.astype(np.float64) - centres.astype(np.float64)[nearest(values, centres)]
    return float(np.square(off).sum())


def _bins(points: np.ndarray, counts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Put ascending weighted points into `most` bins: means and weights of those that hold any.

    A bin ends where one of equal width does, and where one of equally many points does: the
    first are fine in the tails, the second in the middle.
    """
    if len(points) <= most:
        return points, counts
    by_width = ((points - points[0]) * (most / 2 / (points[-1] - points[0]))).astype(np.int64)
    by_count = np.arange(len(points)) * (most // 2) // len(points)
    _, place = np.unique(by_width + by_count, return_inverse=True)
    weights = np.bincount(place, counts)
    return np.bincount(place, counts * points) / weights, weights


def _best_centres(points: np.ndarray, counts: np.ndarray, clusters: int) -> np.ndarray:
    """
    Centres of the clusters with the least inertia there is, by dynamic programming (Bellman 1973).

    cost[b, a] is the inertia of the points a..b-1 as one cluster, least[b] that of the first b
    points in the clusters so far.
    """
    n = len(points)
    shifted = points - np.average(points, weights=counts)  # less cancellation in the squares
    sums = [np.append(0.0, np.cumsum(counts * shifted**power)) for power in (0, 1, 2)]
    weight, total, square = (s[:, None] - s[None, :] for s in sums)
    some = np.tril(np.ones((n + 1, n + 1), bool), -1)
    cost = np.full((n + 1, n + 1), np.inf, np.float32)  # half as much to read as float64
    cost[some] = np.maximum(0, square[some] - total[some] ** 2 / weight[some]) / square[-1, 0]
    least, begins, every = cost[:, 0], [], np.arange(n + 1)
    sums_of = np.empty_like(cost)
    for _ in range(clusters - 1):
        np.add(cost, least, sums_of)
        begins.append(sums_of.argmin(1))
        least = sums_of[every, begins[-1]]
    edges = [n]
    for begin in reversed(begins):
        edges.append(int(begin[edges[-1]]))
    edges = [0, *edges[::-1]]
    means = [np.average(points[a:b], weights=counts[a:b]) for a, b in zip(edges, edges[1:])]
    return np.array(means)


def _borders(centres: np.ndarray) -> np.ndarray:
    return (centres[1:].astype(np.float64) + centres[:-1]) / 2


def _settle(ordered: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Run Lloyd's algorithm on ascending values; a cluster that gets none keeps its centre."""
    sums = np.append(0.0, np.cumsum(ordered))
    for _ in range(STEPS):
        edges = np.searchsorted(ordered, _borders(centres))
        edges = np.concatenate([[0], edges, [ordered.size]])
        sizes = np.diff(edges)
        moved = np.where(sizes > 0, np.diff(sums[edges]) / np.maximum(sizes, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres
