"""One layer's shared weights: a table of values, and which of them each weight is."""

from __future__ import annotations

from dataclasses import dataclass

from edge_vision.core.errors import UserError
import numpy as np
from training.sharing.kmeans import cluster_values, nearest


@dataclass(frozen=True)
class Shared:
    """
    A layer whose weights share values.

    table: float32 [1, k], or [rows, k] with values of each output row's own; ascending.
    index: uint8 in the weight's shape, rows first: which column of its row of the table.
    """

    table: np.ndarray
    index: np.ndarray

    def __post_init__(self) -> None:
        rows = self.table.shape[0]
        if self.table.ndim != 2 or rows not in (1, self.index.shape[0]):
            raise ValueError(f'a table {self.table.shape} does not fit weights {self.index.shape}')

    @property
    def clusters(self) -> int:
        """How many values the weights of a layer, or of a row, share."""
        return self.table.shape[1]

    @property
    def places(self) -> np.ndarray:
        """Where in the flattened table each weight's value stands: int64, the weight's shape."""
        rows = np.arange(self.table.shape[0]) * self.clusters
        return self.index.astype(np.int64) + rows.reshape(-1, *[1] * (self.index.ndim - 1))

    @property
    def weight(self) -> np.ndarray:
        """The weights: float32."""
        return self.table.reshape(-1)[self.places]

    @property
    def sparsity(self) -> float:
        """Share of the weights that are exactly zero."""
        return float((self.weight == 0).mean())


def share(weight: np.ndarray, clusters: int, by_row: bool = False, zero: bool = False) -> Shared:
    """
    Give the weights of a layer, or of each output row, `clusters` values by KMeans.

    zero: the value nearest to zero becomes zero. UserError where there are too few weights.
    """
    rows = weight.reshape(weight.shape[0] if by_row else 1, -1)
    if not np.isfinite(rows).all():
        raise UserError('There are weights that are not finite, which cannot be clustered.')
    table = np.stack([cluster_values(row, clusters) for row in rows])
    index = np.stack([nearest(row, centres) for row, centres in zip(rows, table, strict=True)])
    if zero:
        np.put_along_axis(table, np.abs(table).argmin(1)[:, None], 0.0, 1)
    return Shared(table, index.reshape(weight.shape))
