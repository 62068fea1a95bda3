"""What a node says of itself on /diagnostics, once a second and on each change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from edge_vision.nodes.channels import DIAGNOSTICS, Sender
from rclpy.node import Node
from std_msgs.msg import Header

HARDWARE_ID = 'edge_vision'
LEVELS = {'ok': DiagnosticStatus.OK, 'warn': DiagnosticStatus.WARN,
          'error': DiagnosticStatus.ERROR}


@dataclass(frozen=True)
class Health:
    """How a node fares: level ok, warn or error, one sentence, and figures."""

    level: str
    sentence: str
    values: Dict[str, Any] = field(default_factory=dict)


def _as_text(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'{value:.2f}' if isinstance(value, float) else str(value)


class Diagnostics:
    """Publishes `health()` of a node."""

    def __init__(self, node: Node, health: Callable[[], Health]):
        """Start the timer."""
        self._node = node
        self._health = health
        # never by the bus: who listens there would miss the nodes of other processes
        self._sender = Sender(node, DIAGNOSTICS, None)
        node.create_timer(1.0, self.publish)

    def publish(self) -> None:
        """Publish now."""
        health = self._health()
        status = DiagnosticStatus(
            level=LEVELS[health.level], name=self._node.get_fully_qualified_name(),
            message=health.sentence, hardware_id=HARDWARE_ID,
            values=[KeyValue(key=key, value=_as_text(value))
                    for key, value in health.values.items()])
        stamp = self._node.get_clock().now().to_msg()
        self._sender.send(DiagnosticArray(header=Header(stamp=stamp), status=[status]))


def read_status(array: DiagnosticArray) -> Dict[str, Dict[str, str]]:
    """Give for each of our nodes in the message, by full name, its figures, level and sentence."""
    found = {}
    for status in array.status:
        if status.hardware_id == HARDWARE_ID:
            found[status.name] = {kv.key: kv.value for kv in status.values}
            found[status.name].update(
                level=next((k for k, v in LEVELS.items() if v == status.level), 'error'),
                message=status.message)
    return found
