"""What all nodes of edge_vision have in common."""

from __future__ import annotations

import time
from typing import Callable, Optional, Sequence

from edge_vision.nodes.bus import Bus
from edge_vision.nodes.channels import Channel, Receiver, Sender
from edge_vision.nodes.diagnostics import Diagnostics, Health
from edge_vision.nodes.parameters import Parameters
from rclpy.node import Node
from std_srvs.srv import SetBool

QUIET_S = 5.0  # of all complaints, one is logged in this time; the others are counted


class EdgeNode(Node):
    """
    A node with declared parameters, `~/enable`, diagnostics, and channels that know the process.

    A subclass sets itself up and then calls `begin()`; it overrides `health`, `on_enable`,
    `on_parameters` and `close` as needed.
    """

    def __init__(self, name: str, kind: type, bus: Optional[Bus] = None,
                 known_elsewhere: Sequence[str] = ()):
        """Declare the parameters of the dataclass `kind`; bus: that of a shared process."""
        super().__init__(name)
        self._bus = bus
        self._parameters_of_node = Parameters(self, kind, self.on_parameters, known_elsewhere)
        self.enabled = True
        self.errors = 0
        self.last_error = ''
        self._last_error_s = float('-inf')

    @property
    def settings(self):
        """Give the parameters as they stand now."""
        return self._parameters_of_node.values

    def begin(self) -> None:
        """Offer `~/enable` and diagnostics: from now on the node answers."""
        self.create_service(SetBool, '~/enable', self._serve_enable)
        self._diagnostics = Diagnostics(self, self.health)

    def sender(self, channel: Channel) -> Sender:
        """Give the sending end of a channel."""
        return Sender(self, channel, self._bus)

    def receiver(self, channel: Channel, callback: Callable, start: bool = True) -> Receiver:
        """Give the receiving end of a channel."""
        return Receiver(self, channel, self._bus, callback, self.complain, start)

    def complain(self, error: Exception) -> None:
        """Count an error of one message or frame and log it, though not at every frame."""
        self.errors += 1
        self.last_error = str(error) or type(error).__name__
        self._last_error_s = time.monotonic()
        self.get_logger().error(self.last_error, throttle_duration_sec=QUIET_S)

    def recent_error(self) -> str:
        """Give what was complained of in the last seconds, or '': old errors explain nothing."""
        return self.last_error if time.monotonic() - self._last_error_s < QUIET_S else ''

    def poke(self) -> None:
        """Publish the diagnostics at once: something changed."""
        self._diagnostics.publish()

    def _serve_enable(self, request, response):
        if request.data != self.enabled:
            self.enabled = request.data
            self.on_enable(request.data)
            self.poke()
        response.success = True
        response.message = f'{self.get_name()} is {"on" if self.enabled else "paused"}'
        return response

    def health(self) -> Health:
        """Say how the node fares."""
        return Health('ok', 'running')

    def on_enable(self, enabled: bool) -> None:
        """React to pause and resume."""

    def on_parameters(self, old, new) -> None:
        """React to a live change of parameters; raise UserError to refuse it."""

    def close(self) -> None:
        """Let go of threads and devices; the node is destroyed afterwards."""


__all__ = ['EdgeNode', 'Health']
