"""What the page knows of the system: gathered from the other nodes' words."""

from __future__ import annotations

from collections import deque
import math
import threading
import time
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from edge_vision.core.detections import Detections
from edge_vision.core.gesture import Fingertip, Gestures
from edge_vision.core.steady import NONE

MOST_SCORES = 8  # of a classifier with many classes, the best
FRESH_S = 3.0  # nodes speak once a second; one that is silent for longer is taken for gone


def _number(text: Optional[str]):
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):  # JSON has no such number
        return None
    return int(value) if value.is_integer() and '.' not in text else value


class Board:
    """
    The state of the system as GET /api/status gives it.

    Written by the node's threads, read by the server's; `clock` gives growing seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """Start knowing nothing."""
        self._clock = clock
        self._lock = threading.Lock()
        self._started_s = clock()
        self._nodes: Dict[str, Tuple[float, Dict[str, str]]] = {}
        self._detections: List[Dict[str, Any]] = []
        self._gesture: Tuple[float, Optional[Gestures]] = (float('-inf'), None)
        self._fingertip: Tuple[float, Optional[Fingertip]] = (float('-inf'), None)
        self._settled = NONE
        self._spoken: Deque[str] = deque(maxlen=8)
        self._spoken_count = 0
        self._flow_s = float('-inf')  # when the last frame passed

    def node_says(self, name: str, figures: Dict[str, str]) -> None:
        """Take a node's diagnostics: `name` is camera, detector, ..."""
        with self._lock:
            self._nodes[name] = (self._clock(), figures)
            if name == 'gesture':  # for a page that starts after the event
                self._settled = figures.get('settled', NONE)

    def frame_passed(self) -> None:
        """Note that a frame (or the answer to one) arrived."""
        self._flow_s = self._clock()

    def found(self, detections: Detections) -> None:
        """Take the newest detections."""
        rows = [{'class': detections.name(i), 'score': round(float(detections.scores[i]), 3),
                 'track': detections.track(i)}
                for i in range(len(detections))]
        with self._lock:
            self._detections = rows

    def gesture(self, gestures: Gestures) -> None:
        """Take the newest gesture."""
        with self._lock:
            self._gesture = (self._clock(), gestures)

    def settled(self, label: str) -> None:
        """Take the gesture that has settled just now."""
        with self._lock:
            self._settled = label

    def fingertip(self, tip: Fingertip) -> None:
        """Take the newest place of the fingertip."""
        with self._lock:
            self._fingertip = (self._clock(), tip)

    def spoken(self, line: str) -> None:
        """Take a line that was spoken."""
        with self._lock:
            self._spoken.append(line)
            self._spoken_count += 1

    def _figures(self, name: str) -> Tuple[bool, Dict[str, str]]:
        heard_s, figures = self._nodes.get(name, (float('-inf'), {}))
        return self._clock() - heard_s < FRESH_S, figures

    def _foreign_camera(self) -> bool:
        """Tell whether pictures come from a node that is not ours and says nothing of itself."""
        heard_s, _ = self._nodes.get('camera', (float('-inf'), {}))
        return self._flowing() and self._flow_s - heard_s > FRESH_S

    def _flowing(self) -> bool:
        return self._clock() - self._flow_s < FRESH_S

    def _camera(self) -> Dict[str, Any]:
        alive, said = self._figures('camera')
        level, message = said.get('level', 'error'), said.get('message', '')
        if not alive and self._foreign_camera():
            level, message = 'ok', 'the pictures come from another node'
        elif not alive:
            level, message = 'error', 'the camera node is not there'
        return {'alive': alive, 'enabled': alive and said.get('enabled') == 'true',
                'fps': (_number(said.get('fps')) or 0.0) if alive else 0.0,
                'width': _number(said.get('width')) or 0,
                'height': _number(said.get('height')) or 0,
                'dropped': _number(said.get('dropped')) or 0,
                'level': level, 'message': message}

    def _detector(self) -> Dict[str, Any]:
        alive, said = self._figures('detector')
        detections = self._detections if alive and self._flowing() else []
        return {'alive': alive, 'fps': (_number(said.get('fps')) or 0.0) if alive else 0.0,
                'latency_ms': {p: _number(said.get(f'latency_ms_{p}')) for p in ('p50', 'p95')},
                'inference_ms': _number(said.get('inference_ms')),
                'provider': said.get('provider', ''), 'model': said.get('model', ''),
                'dropped': _number(said.get('dropped')) or 0,
                'count': len(detections), 'detections': detections,
                'level': said.get('level', 'error') if alive else 'error',
                'message': said.get('message', '') if alive else 'the detector node is not there'}

    def _fresh(self, seen: Tuple[float, Any]) -> Any:
        """Give what was seen, or None where that is too long ago."""
        return seen[1] if self._clock() - seen[0] < FRESH_S else None

    def _gesture_now(self) -> Dict[str, Any]:
        gestures = self._fresh(self._gesture)
        label, score = gestures.best if gestures else ('', 0.0)
        return {'label': label, 'score': round(score, 3)}

    def _gestures(self) -> Dict[str, Any]:
        """Tell what else there is to say of the gesture node: the contract has only `gesture`."""
        alive, said = self._figures('gesture')
        gestures, tip = self._fresh(self._gesture), self._fresh(self._fingertip)
        scores = zip(gestures.labels, gestures.scores) if gestures else ()
        return {'alive': alive, 'enabled': alive and said.get('enabled') == 'true',
                'fps': (_number(said.get('fps')) or 0.0) if alive else 0.0,
                'latency_ms': {p: _number(said.get(f'latency_ms_{p}')) for p in ('p50', 'p95')},
                'inference_ms': _number(said.get('inference_ms')),
                'provider': said.get('provider', ''), 'model': said.get('model', ''),
                'fingertip_model': said.get('fingertip_model', ''),
                'settled': self._settled if alive or gestures else NONE,
                'scores': [{'class': label, 'score': round(score, 3)}
                           for label, score in list(scores)[:MOST_SCORES]],
                'fingertip': tip and {'x': round(tip.xy[0], 1), 'y': round(tip.xy[1], 1),
                                      'score': round(tip.score, 3)},
                'level': said.get('level', 'error') if alive else 'error',
                'message': said.get('message', '') if alive else 'the gesture node is not there'}

    def _speech(self) -> Dict[str, Any]:
        alive, said = self._figures('speech')
        return {'alive': alive, 'enabled': alive and said.get('enabled') == 'true',
                'muted': said.get('muted') == 'true', 'language': said.get('language', ''),
                'engine': said.get('engine', ''),
                'latency_ms': {p: _number(said.get(f'latency_ms_{p}')) for p in ('p50', 'p95')},
                'level': said.get('level', 'error') if alive else 'error',
                'message': said.get('message', '') if alive else 'the speech node is not there'}

    def status(self, clients: int) -> Dict[str, Any]:
        """Give the state as JSON takes it; clients: who looks at a stream now."""
        with self._lock:
            return {'uptime_s': round(self._clock() - self._started_s, 1),
                    'camera': self._camera(), 'detector': self._detector(),
                    'gesture': self._gesture_now(), 'gestures': self._gestures(),
                    'speech': self._speech(), 'spoken': list(self._spoken),
                    'spoken_count': self._spoken_count, 'clients': clients}

    def problem(self) -> str:
        """Give the reason why no frames flow, or '' while they do."""
        with self._lock:
            camera = self._camera()
            if camera['alive'] and not camera['enabled']:
                return 'the camera is paused'
            if self._flowing():
                return ''
            if camera['alive'] and camera['fps'] > 0:
                return ''
            return camera['message'] if camera['level'] != 'ok' else 'no frames arrive'
