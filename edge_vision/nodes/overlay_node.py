"""The overlay: draws what was found, and shows it on a web page and on `overlay/compressed`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
import time
from typing import Optional, Tuple

from edge_vision.core.draw import draw, Extras
from edge_vision.core.found import Found
from edge_vision.core.frame import Frame
from edge_vision.core.gesture import Fingertip, Gestures
from edge_vision.core.jpeg import encode, Variant
from edge_vision.core.matcher import Matcher
from edge_vision.core.stats import RateMeter
from edge_vision.core.steady import is_gesture
from edge_vision.core.worker import Worker
from edge_vision.nodes import channels, qos
from edge_vision.nodes.diagnostics import read_status
from edge_vision.nodes.edge_node import EdgeNode, Health
from edge_vision.nodes.images import jpeg_to_compressed
from edge_vision.nodes.parameters import parameter
from edge_vision.nodes.process import parser, run
from edge_vision.web.board import Board
from edge_vision.web.server import Server
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import SetBool

LOOK_S = 0.2  # how often it is looked whether anybody watches
ANSWER_S = 2.0  # another node answers in this time or is not there
GESTURE_S = 1.0  # an older gesture is not drawn


@dataclass(frozen=True)
class OverlayParameters:
    """Parameters of the node `overlay`."""

    host: str = parameter('127.0.0.1', 'address of the page; 0.0.0.0: reachable from everywhere')
    port: int = parameter(8080, 'port of the page; 0: any free one', 0, 65535)
    jpeg_quality: int = parameter(80, 'quality of the JPEGs', 1, 100, live=True)
    token: str = parameter('', 'word that the page asks for; empty: none')
    max_clients: int = parameter(20, 'most viewers of streams at once', 1, 1000)


class OverlayNode(EdgeNode):
    """Draws and encodes only while somebody watches, once for all who do."""

    def __init__(self, bus=None, known_elsewhere=()):
        """Start the page; UserError where its address cannot be had."""
        super().__init__('overlay', OverlayParameters, bus, known_elsewhere)
        p = self.settings
        self._board = Board()
        self._matcher = Matcher()
        self._rate = RateMeter()
        self._gesture: Tuple[float, Optional[Gestures]] = (float('-inf'), None)
        self._fingertip: Tuple[float, Optional[Fingertip]] = (float('-inf'), None)
        self._camera = self.create_client(SetBool, 'camera/enable')
        self._speech = self.create_client(SetParameters, 'speech/set_parameters')
        self._pictures = self.sender(channels.OVERLAY)
        self._jpegs = self.create_publisher(CompressedImage, 'overlay/compressed', qos.SENSOR)
        self._raw_topic = self.resolve_topic_name('image_raw')
        self._topic = self.resolve_topic_name('overlay')
        topics = {'/image_raw': self._raw_topic, '/overlay': self._topic,
                  self._raw_topic: self._raw_topic, self._topic: self._topic}
        self._server = Server(p.host, p.port, p.token, p.max_clients, self._board, topics,
                              self._set_camera, self._set_muted)
        self._draw_worker = Worker('draw', self._draw, self.complain)
        self._raw_worker = Worker('raw', self._show_raw, self.complain)
        self._was_watched = False
        self._subscribe()
        self.create_timer(LOOK_S, self._look)
        self._tell_address()
        self.begin()

    def _subscribe(self):
        self._images = self.receiver(channels.IMAGE, self._on_frame, start=False)
        self.receiver(channels.DETECTIONS, self._on_found)
        self.receiver(channels.GESTURE, self._on_gesture)
        self.receiver(channels.GESTURE_EVENT, self._board.settled)
        self.receiver(channels.FINGERTIP, self._on_fingertip)
        self.receiver(channels.SPOKEN, self._board.spoken)
        # not by the bus: nodes of other processes speak here too
        channels.Receiver(self, channels.DIAGNOSTICS, None, self._on_diagnostics, self.complain)

    def _tell_address(self):
        host, port = self.settings.host, self._server.port
        everywhere = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host)
        shown = everywhere or host
        shown = f'[{shown}]' if ':' in shown else shown
        self.get_logger().info(f'the page is at http://{shown}:{port}/')
        if everywhere:
            self.get_logger().info('from elsewhere: the name or address of this machine instead '
                                   f'of {everywhere}')
        if self.settings.token:
            self.get_logger().info('open it as /?token=... once: the browser remembers the token')
        if host not in ('127.0.0.1', 'localhost', '::1') and not self.settings.token:
            self.get_logger().warning(
                'everyone in this network can see the camera and stop it: set the parameter '
                'token, or host to 127.0.0.1')

    def _watched(self) -> bool:
        return self.enabled and (self._server.feeds.wanted(self._topic)
                                 or self._pictures.wanted()
                                 or self._jpegs.get_subscription_count() > 0)

    def _raw_watched(self) -> bool:
        return self.enabled and self._server.feeds.wanted(self._raw_topic)

    def _look(self) -> None:
        watched = self._watched()
        if not watched and self._was_watched:
            self._matcher.clear()
        self._was_watched = watched
        self._images.want(watched or self._raw_watched())

    def _on_frame(self, frame: Frame) -> None:
        self._board.frame_passed()
        if self._raw_watched():
            self._raw_worker.put(frame)
        if self._was_watched:
            self._to_draw(self._matcher.add_frame(frame, time.monotonic()))

    def _on_found(self, found: Found) -> None:
        self._board.frame_passed()
        self._board.found(found.detections)
        self._rate.tick()
        if self._was_watched:
            self._to_draw(self._matcher.add_found(found, time.monotonic()))

    def _to_draw(self, pair) -> None:
        if pair is not None:
            self._draw_worker.put(pair)

    def _on_gesture(self, gestures: Gestures) -> None:
        self._gesture = (time.monotonic(), gestures)
        self._board.gesture(gestures)

    def _on_fingertip(self, tip: Fingertip) -> None:
        self._fingertip = (time.monotonic(), tip)
        self._board.fingertip(tip)

    def _on_diagnostics(self, message) -> None:
        prefix = self.get_namespace().rstrip('/') + '/'
        for name, figures in read_status(message).items():
            if name.startswith(prefix):
                self._board.node_says(name[len(prefix):], figures)

    def _extras(self, detections) -> Extras:
        oldest = time.monotonic() - GESTURE_S
        (seen_s, gestures), (pointed_s, tip) = self._gesture, self._fingertip
        label, score = gestures.best if gestures and seen_s > oldest else ('', 0.0)
        return Extras(
            rate_hz=self._rate.per_second() if detections is not None else None,
            gesture=label if is_gesture(label) else '', gesture_score=score,
            fingertip_xy=tip.xy if tip and pointed_s > oldest else None,
            note='' if detections is not None else 'no detector')

    def _draw(self, pair) -> None:
        frame, detections = pair
        bgr = draw(frame.bgr, detections, self._extras(detections))
        quality = self.settings.jpeg_quality
        jpeg = None
        if self._jpegs.get_subscription_count():
            jpeg = encode(bgr, Variant(quality=quality))
            self._jpegs.publish(jpeg_to_compressed(jpeg, frame.stamp_ns, frame.frame_id))
        if self._pictures.wanted():
            self._pictures.send(Frame(bgr, frame.stamp_ns, frame.frame_id))
        self._server.feeds.show(self._topic, bgr, frame.stamp_ns, quality, jpeg)

    def _show_raw(self, frame: Frame) -> None:
        self._server.feeds.show(self._raw_topic, frame.bgr, frame.stamp_ns,
                                self.settings.jpeg_quality, frame.jpeg)

    async def _set_camera(self, enabled: bool) -> Tuple[bool, str]:
        """Ask the camera node to start or stop."""
        answer, problem = await self._ask(self._camera, SetBool.Request(data=enabled), 'camera')
        return (False, problem) if answer is None else (answer.success, answer.message)

    async def _set_muted(self, muted: bool) -> Tuple[bool, str]:
        """Ask the speech node to be silent: its lines still come on `spoken`."""
        wish = Parameter('muted', value=muted).to_parameter_msg()
        answer, problem = await self._ask(
            self._speech, SetParameters.Request(parameters=[wish]), 'speech')
        if answer is None:
            return False, problem
        result = answer.results[0]
        return result.successful, result.reason or f'speech is {"muted" if muted else "heard"}'

    @staticmethod
    async def _ask(client, request, node: str):
        """Ask another node, from the server's loop; gives (answer or None, problem or '')."""
        if not client.service_is_ready():
            return None, f'the {node} node is not there'
        loop = asyncio.get_running_loop()
        answered = loop.create_future()

        def finish(answer):
            if not answered.done():
                answered.set_result(answer)

        def hand_over(future):
            loop.call_soon_threadsafe(finish, future.result())

        call = client.call_async(request)
        call.add_done_callback(hand_over)
        try:
            return await asyncio.wait_for(answered, ANSWER_S), ''
        except asyncio.TimeoutError:
            client.remove_pending_request(call)
            return None, f'the {node} node did not answer in {ANSWER_S:g} s'

    def health(self) -> Health:
        """Viewers, rate and errors."""
        figures = {'enabled': self.enabled, 'clients': self._server.feeds.viewers(),
                   'fps': self._rate.per_second(), 'dropped': self._draw_worker.dropped,
                   'errors': self.errors, 'last_error': self.last_error}
        if not self.enabled:
            return Health('ok', 'paused', figures)
        problem = self._board.problem()
        return Health('warn' if problem else 'ok', problem or 'frames flow', figures)

    def close(self) -> None:
        """Close the page and the threads."""
        for part in (self._server, self._draw_worker, self._raw_worker):
            part.close()


def main(args=None) -> int:
    """Run the node alone in its process."""
    return run(parser('overlay_node'), lambda own: [OverlayNode()], args)


if __name__ == '__main__':
    raise SystemExit(main())
