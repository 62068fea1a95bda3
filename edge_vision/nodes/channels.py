"""
The topics of the contract: for each its name, message type, quality of service and conversions.

A channel carries a value of core. Between nodes of one process the value itself is handed over;
a message is made only while somebody outside subscribes.
"""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional

from diagnostic_msgs.msg import DiagnosticArray
from edge_vision.nodes import images, messages, qos
from edge_vision.nodes.bus import Bus
from geometry_msgs.msg import PointStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Classification, Detection2DArray


def _as_it_is(value):
    return value


class Channel(NamedTuple):
    """A topic (relative name) with its type, quality of service and conversions."""

    topic: str
    kind: type
    qos: QoSProfile
    to_message: Callable = _as_it_is
    from_message: Callable = _as_it_is


IMAGE = Channel('image_raw', Image, qos.SENSOR, images.frame_to_image, images.image_to_frame)
DETECTIONS = Channel('detections', Detection2DArray, qos.RESULT, messages.found_to_message,
                     messages.message_to_found)
OVERLAY = Channel('overlay', Image, qos.SENSOR, images.frame_to_image)
GESTURE = Channel('gesture', Classification, qos.RESULT, messages.gestures_to_message,
                  messages.message_to_gestures)
FINGERTIP = Channel('fingertip', PointStamped, qos.RESULT, messages.fingertip_to_message,
                    messages.message_to_fingertip)
GESTURE_EVENT = Channel('gesture/event', String, qos.EVENT, messages.text_to_message,
                        messages.text_of)
SAY = Channel('say', String, qos.EVENT, messages.text_to_message, messages.text_of)
SPOKEN = Channel('spoken', String, qos.EVENT, messages.text_to_message, messages.text_of)
DIAGNOSTICS = Channel('/diagnostics', DiagnosticArray, qos.EVENT)


class Sender:
    """One end of a channel: hands over in the process, publishes where somebody subscribes."""

    def __init__(self, node: Node, channel: Channel, bus: Optional[Bus]):
        """Create the publisher and offer the topic on the bus."""
        self._bus = bus
        self._to_message = channel.to_message
        self._publisher = node.create_publisher(channel.kind, channel.topic, channel.qos)
        self._topic = self._publisher.topic_name
        if bus is not None:
            bus.offer(self._topic)

    def send(self, value) -> None:
        """Send a value; safe in any thread."""
        if self._bus is not None:  # first, as making a message of an image takes its time
            self._bus.send(self._topic, value)
        if self.wanted():
            self._publisher.publish(self._to_message(value))

    def wanted(self) -> bool:
        """Tell whether anybody outside the process subscribes."""
        return self._publisher.get_subscription_count() > 0


class Receiver:
    """
    The other end: `callback(value)`, in the executor's thread or in that of the local sender.

    A message that cannot be converted goes to `on_error(exception)`. With `start=False` the
    subscription is made only by `want(True)` and given up by `want(False)`, in the executor's
    thread; a local sender costs nothing and is always heard.
    """

    def __init__(self, node: Node, channel: Channel, bus: Optional[Bus], callback: Callable,
                 on_error: Callable[[Exception], None], start: bool = True):
        """Listen on the bus where a node of this process sends, else subscribe."""
        self._node, self._channel = node, channel
        self._callback, self._on_error = callback, on_error
        self._subscription: Optional[Subscription] = None
        topic = node.resolve_topic_name(channel.topic)
        self.is_local = False
        if bus is not None and bus.offers(topic):
            self.is_local = True
            bus.listen(topic, callback)
        elif start:
            self.want(True)

    def want(self, wanted: bool) -> None:
        """Subscribe or give the subscription up; nothing to do for a local sender."""
        if self.is_local:
            return
        if wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(
                self._channel.kind, self._channel.topic, self._take, self._channel.qos)
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _take(self, message):
        try:
            value = self._channel.from_message(message)
        except ValueError as error:
            self._on_error(error)
            return
        self._callback(value)
