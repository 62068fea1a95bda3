"""Gives detections identities that stay the same from frame to frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Tuple

from edge_vision.core.detections import Detections, NO_TRACK
from edge_vision.core.motion import Motion, to_centres, to_corners
import numpy as np

LOW_SCORE = 0.1  # weaker boxes continue no track either; ByteTrack's value
MORE_TO_START = 0.1  # a track starts only from a score so much above the threshold
LEAST_IOU = (0.2, 0.5)  # to continue a track: by a strong box, by a weak one
FIRST_HITS = 3  # frames in a row before a track counts; two would be any flicker
LOST_S = 1.0  # a track that was not seen for so long has ended
GAP_S = 5.0  # after a longer pause nothing is as it was


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, (N, M), of corners (N, 4) and (M, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    both = sides[..., 0] * sides[..., 1]
    area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    return both / np.maximum(area_a[:, None] + area_b[None, :] - both, 1e-9)


def pair_up(likeness: np.ndarray, least: float) -> Tuple[np.ndarray, np.ndarray]:
    """
    Rows and columns of a matrix that belong together: the most alike first, each taken once.

    Greedy: on boxes of one class that overlap by `least` it seldom differs from the Hungarian
    method, and it needs no library.
    """
    rows, columns = np.nonzero(likeness >= least)
    taken_rows, taken_columns, pairs = set(), set(), []
    for k in np.argsort(-likeness[rows, columns], kind='stable').tolist():
        row, column = int(rows[k]), int(columns[k])
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column))
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


class Tracker:
    """
    Two-threshold association in the manner of ByteTrack (Zhang et al. 2022), class by class.

    Strong boxes are matched first, with all tracks; weak ones (down to LOW_SCORE) then continue
    tracks that found none, through blur and occlusion, but never start one. Not for several
    threads at once.
    """

    def __init__(self):
        """Start without tracks; the first will be number 1."""
        self._next_id = 1
        self._last_s: Optional[float] = None
        self._labels: Tuple[str, ...] = ()
        self._forget_all()

    def _forget_all(self) -> None:
        self._motion = Motion()
        self._ids = np.zeros(0, np.int64)  # NO_TRACK until confirmed
        self._class = np.zeros(0, np.int64)
        self._hits = np.zeros(0, np.int64)
        self._seen_s = np.zeros(0)

    def update(self, found: Detections, now_s: float, threshold: float) -> Detections:
        """
        Take the boxes of the next frame, weak ones too; gives the strong ones with track_ids.

        now_s: of the frame, seconds. threshold: the score that is strong. Boxes whose track is
        not confirmed yet have the id NO_TRACK.
        """
        self._move_on(now_s, found.labels)
        strong = np.flatnonzero(found.scores >= threshold)
        weak = np.flatnonzero((found.scores < threshold) & (found.scores >= LOW_SCORE))
        centres = to_centres(found.xyxy)
        track_of = np.full(len(found), -1, np.int64)
        for rows, least in zip((strong, weak), LEAST_IOU):
            # a track that is not confirmed is no reason to believe in a weak box
            free = np.ones(len(self._ids), bool) if rows is strong else self._ids != NO_TRACK
            free[track_of[track_of >= 0]] = False
            self._match(found, centres, rows, np.flatnonzero(free), least, track_of)
        matched = track_of >= 0
        tracks = track_of[matched]
        self._motion.correct(tracks, centres[matched])
        self._hits[tracks] += 1
        self._seen_s[tracks] = now_s
        self._confirm(tracks)
        missed = np.ones(len(self._ids), bool)
        missed[tracks] = False
        self._motion.rest(np.flatnonzero(missed))
        ids = np.full(len(found), NO_TRACK, np.int64)
        ids[matched] = self._ids[tracks]
        self._end(missed & ((self._ids == NO_TRACK) | (now_s - self._seen_s >= LOST_S)))
        self._start(found, centres, strong[(track_of[strong] < 0)
                                           & (found.scores[strong] >= threshold + MORE_TO_START)],
                    now_s)
        return replace(found, track_ids=ids).select(strong)

    def _move_on(self, now_s: float, labels: Tuple[str, ...]) -> None:
        dt_s = 0.0 if self._last_s is None else now_s - self._last_s
        if 0 <= dt_s <= GAP_S and labels == self._labels:
            self._motion.predict(dt_s)
        else:  # a pause, a recording that starts again, or another model
            self._forget_all()
        self._last_s, self._labels = now_s, labels

    def _match(self, found, centres, rows, tracks, least, track_of) -> None:
        if not len(rows) or not len(tracks):
            return
        likeness = iou(to_corners(self._motion.at[tracks]), to_corners(centres[rows]))
        likeness[self._class[tracks][:, None] != found.class_index[rows][None, :]] = -1.0
        a, b = pair_up(likeness, least)
        track_of[rows[b]] = tracks[a]

    def _confirm(self, tracks: np.ndarray) -> None:
        for track in tracks[(self._hits[tracks] >= FIRST_HITS)
                            & (self._ids[tracks] == NO_TRACK)].tolist():
            self._ids[track] = self._next_id
            self._next_id += 1

    def _end(self, ended: np.ndarray) -> None:
        if not ended.any():
            return
        self._motion.keep(~ended)
        self._ids, self._class, self._hits, self._seen_s = (
            x[~ended] for x in (self._ids, self._class, self._hits, self._seen_s))

    def _start(self, found: Detections, centres, rows: np.ndarray, now_s: float) -> None:
        if not len(rows):
            return
        self._motion.add(centres[rows])
        self._ids = np.append(self._ids, np.full(len(rows), NO_TRACK, np.int64))
        self._class = np.append(self._class, found.class_index[rows])
        self._hits = np.append(self._hits, np.ones(len(rows), np.int64))
        self._seen_s = np.append(self._seen_s, np.full(len(rows), now_s))
