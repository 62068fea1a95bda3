"""Results, labels, calibrations as ROS messages and back: the only place for their fields."""

from __future__ import annotations

from typing import Sequence

from edge_vision.core.calibration import Calibration
from edge_vision.core.detections import Detections, NO_TRACK
from edge_vision.core.found import Found
from edge_vision.core.gesture import Fingertip, Gestures
from edge_vision.nodes.stamps import header, stamp_ns_of
from geometry_msgs.msg import Point, PointStamped
import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    VisionClass,
)

MOST = 1e9  # no pixel and no score is larger; float32 and OpenCV still take it
TRACK_DIGITS = 18  # what fits into int64; a longer id is no track of a tracker


def _check_finite(*numbers: float) -> None:
    """Raise ValueError for NaN and infinity: neither JSON nor a drawing can have them."""
    if not all(-MOST < number < MOST for number in numbers):
        raise ValueError(f'a message has a number that is not finite: '
                         f'{", ".join(format(number, "g") for number in numbers)}')


def found_to_message(found: Found) -> Detection2DArray:
    """
    Give the Detection2DArray of what was found.

    class_id is the class name; id is the track as text, empty where there is none; each
    detection carries the header too, as some subscribers look only there.
    """
    message = Detection2DArray(header=header(found.stamp_ns, found.frame_id))
    detections = found.detections
    for row, (x0, y0, x1, y1) in enumerate(detections.xyxy.tolist()):
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = detections.name(row)
        hypothesis.hypothesis.score = float(detections.scores[row])
        detection = Detection2D(header=message.header, results=[hypothesis])
        centre = detection.bbox.center.position
        centre.x, centre.y = (x0 + x1) / 2, (y0 + y1) / 2
        detection.bbox.size_x, detection.bbox.size_y = x1 - x0, y1 - y0
        track = detections.track(row)
        detection.id = '' if track is None else str(track)
        message.detections.append(detection)
    return message


def message_to_found(message: Detection2DArray) -> Found:
    """
    Give what a Detection2DArray tells; a detection without results counts as unknown.

    Raises ValueError for boxes and scores that are not finite.
    """
    xyxy, scores, names, ids = [], [], [], []
    for detection in message.detections:
        box, centre = detection.bbox, detection.bbox.center.position
        xyxy.append((centre.x - box.size_x / 2, centre.y - box.size_y / 2,
                     centre.x + box.size_x / 2, centre.y + box.size_y / 2))
        best = max(detection.results, key=lambda r: r.hypothesis.score, default=None)
        scores.append(best.hypothesis.score if best else 0.0)
        names.append(best.hypothesis.class_id if best else 'unknown')
        ids.append(detection.id)
        _check_finite(*xyxy[-1], scores[-1])
    labels = tuple(dict.fromkeys(names))
    tracks = np.array([int(i or NO_TRACK) for i in ids], np.int64) if any(ids) and all(
        i == '' or (i.isdecimal() and len(i) <= TRACK_DIGITS) for i in ids) else None
    detections = Detections(np.array(xyxy, np.float32).reshape(-1, 4),
                            np.array(scores, np.float32),
                            np.array([labels.index(n) for n in names], np.int64), labels, tracks)
    return Found(stamp_ns_of(message.header), message.header.frame_id, detections)


def labels_to_message(labels: Sequence[str], threshold: float, stamp_ns: int) -> LabelInfo:
    """Give the LabelInfo with the class names of the model."""
    return LabelInfo(header=header(stamp_ns, ''), threshold=float(threshold),
                     class_map=[VisionClass(class_id=index, class_name=name)
                                for index, name in enumerate(labels)])


def calibration_to_message(calibration: Calibration, stamp_ns: int, frame_id: str) -> CameraInfo:
    """Give the CameraInfo of a calibration for the frame with this stamp."""
    return CameraInfo(header=header(stamp_ns, frame_id), width=calibration.width,
                      height=calibration.height, distortion_model=calibration.distortion_model,
                      d=list(calibration.d), k=list(calibration.k), r=list(calibration.r),
                      p=list(calibration.p))


def gestures_to_message(gestures: Gestures) -> Classification:
    """Give the Classification with all classes, best first; class_id is the class name."""
    return Classification(
        header=header(gestures.stamp_ns, gestures.frame_id),
        results=[ObjectHypothesis(class_id=label, score=score)
                 for label, score in zip(gestures.labels, gestures.scores)])


def message_to_gestures(message: Classification) -> Gestures:
    """Give what a Classification tells, best first; ValueError for scores that are not finite."""
    best_first = sorted(message.results, key=lambda result: -result.score)
    for result in message.results:
        _check_finite(result.score)
    return Gestures(stamp_ns_of(message.header), message.header.frame_id,
                    tuple(result.class_id for result in best_first),
                    tuple(result.score for result in best_first))


def fingertip_to_message(tip: Fingertip) -> PointStamped:
    """Give the PointStamped: x and y in pixels of the image, z the score, 0 where unknown."""
    return PointStamped(header=header(tip.stamp_ns, tip.frame_id),
                        point=Point(x=tip.xy[0], y=tip.xy[1], z=tip.score))


def message_to_fingertip(message: PointStamped) -> Fingertip:
    """Give where the fingertip is; ValueError for numbers that are not finite."""
    point = message.point
    _check_finite(point.x, point.y, point.z)
    return Fingertip(stamp_ns_of(message.header), message.header.frame_id, (point.x, point.y),
                     point.z)


def text_of(message: String) -> str:
    """Give the text."""
    return message.data


def text_to_message(text: str) -> String:
    """Give the String of a text."""
    return String(data=text)
