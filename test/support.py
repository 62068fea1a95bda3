"""What the tests of the nodes and of the web share: real processes, real topics, and waiting."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get('EDGE_VISION_SHARED') or REPO.parent / 'shared')
SHIPPED = REPO / 'edge_vision' / 'models' / 'person.onnx'
YOLOX = SHARED / 'models' / 'yolox_nano.onnx'
PATIENCE_S = 40.0  # for what takes a second on an idle machine


_claims = []


def claim_domain() -> None:
    """
    Set up DDS for this test process alone, before rclpy is imported.

    Two test runs on one machine must not meet: each takes a domain of its own, and holds it by an
    abstract Unix socket that the kernel gives back when the process ends.
    """
    if _claims:
        return
    profile = str(REPO / 'config' / 'fastdds.xml')
    old = os.environ.get('ROS_DISTRO', 'jazzy') in ('humble', 'iron', 'jazzy')
    variable = 'FASTRTPS_DEFAULT_PROFILES_FILE' if old else 'FASTDDS_DEFAULT_PROFILES_FILE'
    os.environ.update({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', variable: profile})
    for number in range(100):  # from 102 on, the ports of DDS fall among those given out freely
        domain = 1 + (os.getpid() + number) % 100
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f'\0edge_vision_test_domain_{domain}')
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        return
    raise RuntimeError('100 test runs at once: no ROS domain is left')


def wait_for(condition: Callable, what: str, limit_s: float = PATIENCE_S, detail=lambda: '',
             pause=lambda: time.sleep(0.03)):
    """Give the first true value of `condition()`; the test fails where none comes in time."""
    end_s = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end_s:
            pytest.fail(f'{what}: not within {limit_s:g} s\n{detail()}')
        pause()


# ---- processes

class Program:
    """One of our programs in a process of its own; what it writes is kept."""

    def __init__(self, name: str, *words: str, **parameters):
        """Start `name`; parameters as node__name=value (node left out for a single node)."""
        command = [str(Path(sys.executable).parent / name)]
        if not os.path.exists(command[0]):
            command = [sys.executable, '-m', f'edge_vision.nodes.{name}']
        words = list(words)
        if name == 'nano':  # the tests speak to nobody, and ask no service on the network to
            parameters.setdefault('speech__engine', 'silent')
            # and two large networks would take the time of all others
            for name_of_model in ('gesture__model', 'gesture__fingertip_model'):
                parameters.setdefault(name_of_model, '')
        if parameters and '--ros-args' not in words:
            words.append('--ros-args')
        for key, value in parameters.items():
            text = json.dumps(value)
            words += ['-p', f'{key.replace("__", ":")}:={text}']
        self.name = name
        self._others_files = set(os.listdir('/dev/shm'))
        self._orphans = set()
        self._out = tempfile.TemporaryFile('w+')
        self._err = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(command + words, stdout=self._out, stderr=self._err,
                                        stdin=subprocess.DEVNULL, cwd=REPO,
                                        start_new_session=True)

    @staticmethod
    def _all_of(file) -> str:
        return os.pread(file.fileno(), 1 << 20, 0).decode(errors='replace')

    @property
    def stderr(self) -> str:
        """What was written to stderr up to now; the log of ROS goes there."""
        return self._all_of(self._err)

    @property
    def output(self) -> str:
        """Everything written up to now, for the message of a failed test."""
        return f'--- {self.name}: stdout\n{self._all_of(self._out)}\n--- stderr\n{self.stderr}'

    def says(self, text: str, limit_s: float = PATIENCE_S) -> str:
        """Wait until the program has written a line with `text`; gives the line."""
        def line():
            if self.process.poll() is not None and text not in self.stderr:
                pytest.fail(f'{self.name} ended with {self.process.returncode} before it said '
                            f'{text!r}\n{self.output}')
            return next((x for x in self.stderr.splitlines() if text in x), None)
        return wait_for(line, f'{self.name} says {text!r}', limit_s, lambda: self.output)

    @property
    def url(self) -> str:
        """Address of the page, without a slash at the end."""
        return self.says('the page is at').split('the page is at ')[1].rstrip('/')

    def ended(self, limit_s: float) -> int:
        """Wait for the end; gives the exit code."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler writes where each thread is
            self.process.wait()
            pytest.fail(f'{self.name} has not ended within {limit_s:g} s\n{self.output}')

    def stop(self, number=signal.SIGINT, limit_s: float = 20.0) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended(limit_s)

    @property
    def shared_memory(self):
        """Files in shared memory that the process uses and that were not there before it."""
        return shared_memory_of(self.process.pid) - self._others_files

    def kill(self) -> None:
        """End it as the kernel does when memory is out; `put_away` what it cannot any more."""
        self._orphans = self.shared_memory
        self.process.kill()
        self.process.wait()

    def put_away(self) -> None:
        """Remove what a killed process left in shared memory and nobody else uses."""
        locks = {f'sem.{name}_mutex' for name in self._orphans}
        for name in left_behind(self._orphans | locks):
            Path('/dev/shm', name).unlink(missing_ok=True)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.put_away()


@contextmanager
def running(*args, **parameters):
    """Run a Program as long as the context lasts; its output is shown where the test fails."""
    program = Program(*args, **parameters)
    try:
        yield program
    finally:
        program.close()
        print(program.output)


def children_of(pid: int):
    """Process ids whose parent is `pid`."""
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = stat.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def shared_memory_of(pid: int):
    """Names of the files in shared memory that the process uses, those of tracers aside."""
    try:
        lines = Path(f'/proc/{pid}/maps').read_text().splitlines() + open_files(pid)
    except OSError:
        return set()
    names = {line.split('/dev/shm/', 1)[1].split()[0] for line in lines if '/dev/shm/' in line}
    return {name for name in names if not name.startswith('lttng-ust-')}


def left_behind(names):
    """Those of the names in shared memory that still exist and that no living process uses."""
    left = {name for name in names if os.path.exists(f'/dev/shm/{name}')}
    for process in Path('/proc').glob('[0-9]*'):
        left -= shared_memory_of(int(process.name))
    return left


def open_files(pid: int):
    """List what the process has open, by the names that the kernel gives."""
    found = []
    for entry in Path(f'/proc/{pid}/fd').iterdir():
        try:
            found.append(os.readlink(entry))
        except OSError:
            continue
    return found


# ---- ROS

class Ears:
    """A node of the test itself; it is served only while the test waits with `until`."""

    def __init__(self):
        """Start a context of its own."""
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.node = Node('test_ears', context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)

    def until(self, condition: Callable, what: str, limit_s: float = PATIENCE_S,
              detail=lambda: ''):
        """Serve the node until `condition()` is true; gives its value."""
        return wait_for(condition, what, limit_s, detail,
                        pause=lambda: self._executor.spin_once(timeout_sec=0.05))

    def serve(self, seconds: float) -> None:
        """Serve the node for some time: only to see that nothing happens in it."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)

    @contextmanager
    def hearing(self, kind, topic: str, qos):
        """Collect the messages of a topic as long as the context lasts."""
        heard = []
        subscription = self.node.create_subscription(kind, topic, heard.append, qos)
        try:
            yield heard
        finally:
            self.node.destroy_subscription(subscription)

    def one(self, kind, topic: str, qos, fits=lambda message: True):
        """Give the next message of a topic that fits."""
        with self.hearing(kind, topic, qos) as heard:
            return self.until(lambda: next((m for m in heard if fits(m)), None),
                              f'a message on {topic}')

    @contextmanager
    def speaking(self, kind, topic: str, qos):
        """Give a publisher that somebody listens to."""
        publisher = self.node.create_publisher(kind, topic, qos)
        try:
            self.until(lambda: publisher.get_subscription_count(), f'a subscriber of {topic}')
            yield publisher
        finally:
            self.node.destroy_publisher(publisher)

    def call(self, kind, service: str, request):
        """Call a service and give its answer."""
        client = self.node.create_client(kind, service)
        try:
            self.until(client.service_is_ready, f'the service {service}')
            future = client.call_async(request)
            self.until(future.done, f'an answer of {service}')
            return future.result()
        finally:
            self.node.destroy_client(client)

    def enable(self, node: str, wanted: bool):
        """Call ~/enable of a node."""
        from std_srvs.srv import SetBool
        return self.call(SetBool, f'/{node}/enable', SetBool.Request(data=wanted))

    def set(self, node: str, name: str, value):
        """Set a parameter as `ros2 param set` does; gives the result."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, f'/{node}/set_parameters', request).results[0]

    def health(self, node: str, fits=lambda status: True, what: str = ''):
        """Give the next diagnostics of a node that fit, as a dict with level and message."""
        from diagnostic_msgs.msg import DiagnosticArray
        from edge_vision.nodes import qos
        from edge_vision.nodes.diagnostics import read_status
        last = {}
        with self.hearing(DiagnosticArray, '/diagnostics', qos.EVENT) as heard:
            def found():
                while heard:
                    status = read_status(heard.pop(0)).get(node)
                    if status is not None:
                        last.update(status)
                        if fits(status):
                            return status
                return None
            return self.until(found, what or f'diagnostics of {node}', detail=lambda: last)

    def close(self) -> None:
        """End the node and its context."""
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.shutdown()


# ---- pictures

def picture(number: int = 0, size_wh=(64, 48)) -> np.ndarray:
    """Small picture uint8 (H, W, 3) whose brightness tells its number."""
    bgr = np.full((size_wh[1], size_wh[0], 3), (37 * number) % 200 + 20, np.uint8)
    bgr[: size_wh[1] // 2, :, 0] = 10
    return bgr


def jpeg_of(bgr: np.ndarray) -> bytes:
    """JPEG of a picture, as a camera makes it."""
    return cv2.imencode('.jpg', bgr)[1].tobytes()


def image_message(bgr: np.ndarray, stamp_ns: int = 0, frame_id: str = 'camera'):
    """Image message (bgr8), made without the code under test."""
    from sensor_msgs.msg import Image
    message = Image(height=bgr.shape[0], width=bgr.shape[1], step=3 * bgr.shape[1],
                    encoding='bgr8', data=bgr.tobytes())
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    return message


class MjpegCamera:
    """A network camera on this machine: an MJPEG stream of a few fixed pictures."""

    def __init__(self, rate_hz: float = 15.0, size_wh=(64, 48), port: int = 0):
        """Serve at once; `port` 0 takes any free one."""
        self.jpegs = [jpeg_of(picture(n, size_wh)) for n in range(5)]
        self.viewers = 0
        self._ending = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=b')
                self.end_headers()
                camera.viewers += 1
                number = 0
                try:
                    while not camera._ending.wait(1 / rate_hz):
                        jpeg = camera.jpegs[number % len(camera.jpegs)]
                        self.wfile.write(b'--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d'
                                         b'\r\n\r\n%s\r\n' % (len(jpeg), jpeg))
                        number += 1
                except OSError:
                    pass
                finally:
                    camera.viewers -= 1

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f'http://127.0.0.1:{self.port}/'
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,),
                                        daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up on all viewers and free the port."""
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# ---- HTTP

class Answer:
    """What a server answered."""

    def __init__(self, status: int, headers, body: bytes):
        """Keep it."""
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self):
        """The body as what JSON says; NaN, which no browser reads, is refused."""
        def refuse(word):
            raise ValueError(f'{word} is not JSON')
        return json.loads(self.body, parse_constant=refuse)


def http(url: str, body=None, headers=None, limit_s: float = 20.0) -> Answer:
    """GET, or POST where there is a body; errors are answers too."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    try:
        with urlopen(Request(url, data, headers or {}), timeout=limit_s) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def parts_of(response, limit_s: float = PATIENCE_S):
    """Yield (headers, body) of a multipart answer, reading strictly as the standard has it."""
    kind = response.headers.get_content_type()
    boundary = response.headers.get_boundary()
    assert kind == 'multipart/x-mixed-replace' and boundary
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        assert response.readline() == f'--{boundary}\r\n'.encode()
        headers = {}
        while True:
            line = response.readline()
            if line == b'\r\n':
                break
            name, _, value = line.decode().partition(':')
            headers[name.strip().lower()] = value.strip()
        body = response.read(int(headers['content-length']))
        assert response.read(2) == b'\r\n'
        yield headers, body
    pytest.fail(f'the stream was not read to its wanted picture within {limit_s:g} s')


def decode(jpeg: bytes) -> np.ndarray:
    """Picture of a JPEG; the test fails where it is none."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None, f'{len(jpeg)} bytes that are no JPEG'
    return bgr
