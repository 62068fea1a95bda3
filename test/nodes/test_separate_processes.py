"""Camera, detector and overlay in three processes: each is killed and comes back."""

from __future__ import annotations

from contextlib import contextmanager, ExitStack
import socket
from urllib.request import urlopen

from edge_vision.nodes import qos
import pytest
from support import decode, http, parts_of, Program, wait_for
from vision_msgs.msg import Detection2DArray


class System:
    """The three processes; any of them can be killed and started again."""

    def __init__(self):
        """Start them."""
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        self.url = f'http://127.0.0.1:{port}'
        self._words = {
            'camera_node': {'fps': 10.0, 'width': 160, 'height': 120},
            'detector_node': {'model': 'hog'}, 'overlay_node': {'port': port}}
        self.programs = {}
        self._all = []
        for name in self._words:
            self.start(name)
        self.programs['overlay_node'].says('the page is at')

    def start(self, name: str) -> None:
        """Start one, for the first time or again."""
        self.programs[name] = Program(name, **self._words[name])
        self._all.append(self.programs[name])

    @contextmanager
    def killed(self, name: str):
        """End one as the kernel does it when memory is out; afterwards it is started again."""
        self.programs[name].kill()
        try:
            yield
            self._others_live(name)
        finally:
            self.start(name)

    def status(self):
        """Give what the page is told."""
        return http(self.url + '/api/status').json

    def until(self, condition, what: str):
        """Wait for a status; gives it."""
        return wait_for(lambda: (s := self.status()) and condition(s) and s, what,
                        detail=lambda: f'{self.status()}\n{self.output}')

    @property
    def output(self) -> str:
        """What all wrote."""
        return '\n'.join(program.output for program in self._all)

    def _others_live(self, name: str) -> None:
        """Fail if another process has ended or tripped."""
        for other, program in self.programs.items():
            if other != name:
                assert program.process.poll() is None, program.output
                assert 'Traceback' not in program.output, program.output

    def close(self) -> None:
        """End all."""
        for program in self._all:
            program.close()
        for program in self._all:  # once more: while the others lived they used its files too
            program.put_away()
        print(self.output)


def all_flow(status) -> bool:
    return status['camera']['fps'] > 0 and status['detector']['fps'] > 0


@pytest.fixture(scope='module')
def system():
    """Run the three processes."""
    with ExitStack() as stack:
        three = System()
        stack.callback(three.close)
        three.until(all_flow, 'all work')
        yield three


def test_everything_arrives(system, ears):
    found = ears.one(Detection2DArray, '/detections', qos.RESULT)
    assert found.header.frame_id == 'camera'
    with urlopen(system.url + '/stream', timeout=20) as response:
        for _, (_, jpeg) in zip(range(3), parts_of(response)):
            assert decode(jpeg).shape == (120, 160, 3)


def test_the_camera_is_killed_and_comes_back(system, ears):
    with system.killed('camera_node'):
        status = system.until(lambda s: not s['camera']['alive'], 'the page misses the camera')
        assert status['camera']['message'] == 'the camera node is not there'
        healthz = wait_for(lambda: (a := http(system.url + '/healthz')).status == 503 and a,
                           'healthz says no')
        assert healthz.text == 'the camera node is not there\n'
        ears.health('/detector', lambda s: s['level'] == 'warn' and 'no images' in s['message'])
    system.until(all_flow, 'all work again')
    wait_for(lambda: http(system.url + '/healthz').status == 200, 'healthz is well again')


def test_the_detector_is_killed_and_comes_back(system):
    with urlopen(system.url + '/stream', timeout=20) as response:
        parts = parts_of(response)
        next(parts)
        with system.killed('detector_node'):
            status = system.until(lambda s: not s['detector']['alive'], 'the page misses it')
            assert status['detector']['message'] == 'the detector node is not there'
            assert status['detector']['detections'] == [] and status['camera']['fps'] > 0
            assert http(system.url + '/healthz').status == 200
            for _ in range(3):  # the picture goes on without boxes
                next(parts)
        system.until(all_flow, 'all work again')
        next(parts)


def test_the_overlay_is_killed_and_comes_back(system, ears):
    with system.killed('overlay_node'):
        for node in ('/camera', '/detector'):
            ears.health(node, lambda s: s['level'] == 'ok' and float(s['fps']) > 0)
    system.programs['overlay_node'].says('the page is at')
    system.until(all_flow, 'the new page sees all')
    with urlopen(system.url + '/stream', timeout=20) as response:
        next(parts_of(response))
