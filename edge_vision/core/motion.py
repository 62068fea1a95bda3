"""Where boxes will be: a Kalman filter of constant velocity for many boxes at once."""

from __future__ import annotations

import numpy as np

# Standard deviations as shares of the box's height, as in SORT and ByteTrack, but per second,
# so that they hold at any frame rate.
MEASURED = 0.05  # of a detector's box
ACCELERATION = 0.8  # per second squared: people start, stop and turn
FIRST_VELOCITY = 1.0  # per second: nothing is known yet
LEAST_SIDE = 1.0  # pixels; a prediction never shrinks to nothing


def to_centres(xyxy: np.ndarray) -> np.ndarray:
    """Centre x, y, width and height, float64 (N, 4), of corners."""
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


def to_corners(centres: np.ndarray) -> np.ndarray:
    """Corners x0, y0, x1, y1, float64 (N, 4), of centres and sizes."""
    half = centres[:, 2:] / 2
    return np.hstack([centres[:, :2] - half, centres[:, :2] + half])


class Motion:
    """
    Position and velocity of N boxes (centre x, y, width, height; pixels and pixels per second).

    The four numbers of a box are filtered apart from each other, so that a covariance is three
    arrays (N, 4) and no matrix is ever inverted.
    """

    def __init__(self):
        """Start without boxes."""
        self.at = np.zeros((0, 4))
        self.velocity = np.zeros((0, 4))
        self._pp = np.zeros((0, 4))  # variance of the position
        self._pv = np.zeros((0, 4))  # covariance of the two
        self._vv = np.zeros((0, 4))  # variance of the velocity

    def _unit(self) -> np.ndarray:
        return np.maximum(self.at[:, 3:4], LEAST_SIDE)

    def predict(self, dt_s: float) -> None:
        """Move all boxes on by dt_s seconds."""
        noise = (ACCELERATION * self._unit()) ** 2 * dt_s
        self.at = self.at + self.velocity * dt_s
        self.at[:, 2:] = np.maximum(self.at[:, 2:], LEAST_SIDE)
        self._pp = self._pp + 2 * dt_s * self._pv + dt_s ** 2 * self._vv + noise * dt_s ** 2 / 3
        self._pv = self._pv + dt_s * self._vv + noise * dt_s / 2
        self._vv = self._vv + noise

    def correct(self, rows: np.ndarray, centres: np.ndarray) -> None:
        """Take what was measured, (M, 4), for the boxes `rows`."""
        noise = (MEASURED * np.maximum(centres[:, 3:4], LEAST_SIDE)) ** 2
        pp, pv, vv = self._pp[rows], self._pv[rows], self._vv[rows]
        to_position, to_velocity = pp / (pp + noise), pv / (pp + noise)
        surprise = centres - self.at[rows]
        self.at[rows] += to_position * surprise
        self.velocity[rows] += to_velocity * surprise
        self._pp[rows] = (1 - to_position) * pp
        self._pv[rows] = (1 - to_position) * pv
        self._vv[rows] = vv - to_velocity * pv

    def rest(self, rows: np.ndarray) -> None:
        """Let the sizes of boxes that were not seen stay: only the place goes on."""
        self.velocity[np.asarray(rows)[:, None], [2, 3]] = 0.0

    def add(self, centres: np.ndarray) -> None:
        """Take new boxes (M, 4), of unknown velocity, behind the others."""
        unit = np.maximum(centres[:, 3:4], LEAST_SIDE) * np.ones((1, 4))
        self.at = np.vstack([self.at, centres])
        self.velocity = np.vstack([self.velocity, np.zeros_like(centres)])
        self._pp = np.vstack([self._pp, (MEASURED * unit) ** 2])
        self._pv = np.vstack([self._pv, np.zeros_like(centres)])
        self._vv = np.vstack([self._vv, (FIRST_VELOCITY * unit) ** 2])

    def keep(self, rows: np.ndarray) -> None:
        """Forget all boxes but `rows` (a boolean mask)."""
        for name in ('at', 'velocity', '_pp', '_pv', '_vv'):
            setattr(self, name, getattr(self, name)[rows])
