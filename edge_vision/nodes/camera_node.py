"""The camera: publishes `image_raw` from whatever source it is told."""

from __future__ import annotations

from dataclasses import dataclass

from edge_vision.core.calibration import load_calibration, scale_calibration
from edge_vision.core.capture import Capture, SILENCE_S
from edge_vision.core.frame import Frame
from edge_vision.core.jpeg import encode
from edge_vision.core.sources import parse_source, Settings
from edge_vision.nodes import channels, qos
from edge_vision.nodes.edge_node import EdgeNode, Health
from edge_vision.nodes.images import jpeg_to_compressed
from edge_vision.nodes.messages import calibration_to_message
from edge_vision.nodes.parameters import parameter
from edge_vision.nodes.process import parser, run
from sensor_msgs.msg import CameraInfo, CompressedImage


@dataclass(frozen=True)
class CameraParameters:
    """Parameters of the node `camera`."""

    source: str = parameter('demo:', 'demo:, 0 or /dev/video0, csi:0, rtsp://..., http://..., '
                            'a video file, a folder or a glob of images', live=True)
    width: int = parameter(640, 'width asked of the camera, pixels', 16, 7680, live=True)
    height: int = parameter(480, 'height asked of the camera, pixels', 16, 4320, live=True)
    fps: float = parameter(0.0, "frames per second asked of the source; 0: the source's own",
                           0.0, 1000.0, live=True)
    frame_id: str = parameter('camera', 'frame_id in the header of each image')
    camera_info_url: str = parameter('', 'calibration YAML, a path or file://; empty: none')
    loop: bool = parameter(True, 'start files and folders again at their end', live=True)
    reconnect_s: float = parameter(1.0, 'first pause before a lost camera is opened again, '
                                   'seconds; doubled up to 30', 0.1, 30.0)


class CameraNode(EdgeNode):
    """Publishes frames; a paused camera lets go of its device."""

    def __init__(self, bus=None, known_elsewhere=()):
        """Open the source in the capture thread; UserError for a source that cannot be."""
        super().__init__('camera', CameraParameters, bus, known_elsewhere)
        settings = self.settings
        self._calibration = (load_calibration(settings.camera_info_url)
                             if settings.camera_info_url else None)
        source = self._source_of(settings)
        self._frames = self.sender(channels.IMAGE)
        self._jpegs = self.create_publisher(CompressedImage, 'image_raw/compressed', qos.SENSOR)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos.SENSOR)
        self._capture = Capture(source, settings.frame_id, settings.reconnect_s, self._on_frame,
                                self._on_change)
        self.begin()
        self._capture.start()

    @staticmethod
    def _source_of(p: CameraParameters):
        return parse_source(p.source, Settings(p.width, p.height, p.fps, p.loop))

    def _on_frame(self, frame: Frame) -> None:
        self._frames.send(frame)
        if self._jpegs.get_subscription_count():
            jpeg = frame.jpeg or encode(frame.bgr)
            self._jpegs.publish(jpeg_to_compressed(jpeg, frame.stamp_ns, frame.frame_id))
        if self._calibration is not None and self._infos.get_subscription_count():
            calibration = scale_calibration(self._calibration, *frame.size_wh)
            self._infos.publish(
                calibration_to_message(calibration, frame.stamp_ns, frame.frame_id))

    def _on_change(self, sentence: str, is_good: bool) -> None:
        if is_good:  # two calls: rclpy takes only one severity from one line of code
            self.get_logger().info(sentence)
        else:
            self.get_logger().warning(sentence)
        self.poke()

    def on_enable(self, enabled: bool) -> None:
        """Pause lets go of the device, resume takes it again."""
        self._capture.enable(enabled)

    def on_parameters(self, old, new) -> None:
        """Exchange the source; a source that cannot be is refused and the old one goes on."""
        self._capture.exchange(self._source_of(new))

    def health(self) -> Health:
        """Rate, size, drops, and what is wrong."""
        capture = self._capture
        figures = {
            'enabled': self.enabled, 'state': capture.state, 'fps': capture.rate.per_second(),
            'width': capture.size_wh[0], 'height': capture.size_wh[1],
            'dropped': capture.skipped, 'reconnects': capture.reconnects,
            'source': capture.description}
        if not self.enabled:
            return Health('ok', 'paused', figures)
        if capture.state == 'lost':
            return Health('error', capture.problem, figures)
        if capture.state == 'ended':
            return Health('warn', 'the source is at its end (set loop to start it again)', figures)
        if capture.silent_s() > SILENCE_S:
            return Health('error', f'no frame for {capture.silent_s():.0f} s', figures)
        return Health('ok', capture.description or 'opening', figures)

    def close(self) -> None:
        """Let go of the device."""
        self._capture.close()


def main(args=None) -> int:
    """Run the node alone in its process."""
    return run(parser('camera_node'), lambda own: [CameraNode()], args)


if __name__ == '__main__':
    raise SystemExit(main())
