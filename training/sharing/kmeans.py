"""
KMeans of one-dimensional values, fast for many of them.

Millions of weights become some thousands of weighted points (means of narrow bins), scikit-learn
clusters these, and Lloyd's algorithm on the sorted values finishes exactly: in one dimension a
cluster is a run of the sorted values, and its mean is a difference of two cumulative sums.
"""

from __future__ import annotations

import warnings

from edge_vision.core.errors import UserError
import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

POINTS = 4096  # values up to which no bins are made, and bins of either kind
STARTS = 4  # k-means++ starts, of which the best is kept
STEPS = 100  # of Lloyd's algorithm at the end; it stops when nothing moves


def cluster_values(values: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """
    Centres of `clusters` clusters of finite values of any shape: float32 [clusters], ascending.

    The same seed gives the same centres. UserError where there are fewer distinct values.
    """
    ordered = np.sort(values.reshape(-1)).astype(np.float64)
    first = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > 0)  # of each distinct value
    if len(first) < clusters:
        raise UserError(
            f'{clusters} clusters cannot be made of {len(first)} distinct weights;'
            f' {len(first)} clusters or fewer would do.'
        )
    counts = np.diff(np.append(first, ordered.size))
    points = ordered[first]
    if len(points) > POINTS:
        points, counts = _bins(points, counts)
    # So few points are done before more threads are awake; on a busy machine these only wait.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter('ignore', ConvergenceWarning)
        found = KMeans(clusters, n_init=STARTS, random_state=seed).fit(
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


def _bins(points: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Put ascending weighted points into bins: means and weights of those that hold any.

    A bin ends where one of equal width does, and where one of equally many points does: the
    first are fine in the tails, the second in the middle.
    """
    by_width = ((points - points[0]) * (POINTS / (points[-1] - points[0]))).astype(np.int64)
    by_count = np.arange(len(points)) * POINTS // len(points)
    _, place = np.unique(by_width + by_count, return_inverse=True)
    weights = np.bincount(place, counts)
    return np.bincount(place, counts * points) / weights, weights


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
