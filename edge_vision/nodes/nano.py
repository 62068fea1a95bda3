"""All nodes in one process, where frames are handed over in memory."""

from __future__ import annotations

import re
import sys
from typing import List, Sequence

from edge_vision.core.errors import UserError
from edge_vision.nodes.bus import Bus
from edge_vision.nodes.camera_node import CameraNode, CameraParameters
from edge_vision.nodes.detector_node import DetectorNode, DetectorParameters
from edge_vision.nodes.edge_node import EdgeNode
from edge_vision.nodes.gesture_node import GestureNode, GestureParameters
from edge_vision.nodes.overlay_node import OverlayNode, OverlayParameters
from edge_vision.nodes.parameters import names_of
from edge_vision.nodes.process import parser, run
from edge_vision.nodes.speech_node import SpeechNode, SpeechParameters

# in the order in which data flow: who listens in the process must come after who sends
NODES = {'camera': CameraNode, 'detector': DetectorNode, 'gesture': GestureNode,
         'speech': SpeechNode, 'overlay': OverlayNode}
PARAMETERS = {'camera': CameraParameters, 'detector': DetectorParameters,
              'gesture': GestureParameters, 'speech': SpeechParameters,
              'overlay': OverlayParameters}
ALL_PARAMETERS = names_of(*PARAMETERS.values())


def refuse_unknown_nodes(words: Sequence[str]) -> None:
    """Raise UserError for `-p NODE:NAME:=VALUE` with a node that is not here: rcl passes it by."""
    for word in words:
        named = re.match(r'(\w+):[\w.]+:=', word)
        if named and named.group(1) not in NODES:
            raise UserError(f"'{word}' names the node '{named.group(1)}', but the nodes are "
                            f'{", ".join(NODES)}')


def make_nodes(without: List[str], words: Sequence[str] = ()):
    """Yield the nodes that are wanted, joined by one bus; words: the command line."""
    refuse_unknown_nodes(words)
    bus = Bus()
    for name, kind in NODES.items():
        if name not in without:
            node: EdgeNode = kind(bus, ALL_PARAMETERS)
            yield node


def main(args=None) -> int:
    """Run all nodes, or all but some, until Ctrl-C."""
    words = parser('nano')
    words.description = 'camera, detector, gesture, speech and overlay in one process'
    words.add_argument('--without', nargs='*', choices=list(NODES), default=[], metavar='NODE',
                       help=f'leave out some of {", ".join(NODES)}: they run elsewhere')
    return run(words, lambda own: make_nodes(own.without, args or sys.argv), args)


if __name__ == '__main__':
    raise SystemExit(main())
