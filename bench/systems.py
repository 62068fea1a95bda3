"""Running systems to be measured: all nodes in one process, or each in its own."""

from __future__ import annotations

from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from urllib.request import urlopen

import psutil

BIN = Path(sys.executable).parent
START_S = 30.0


def arguments(model: str, threads: int, fps: float, port: int,
              gesture: dict | None = None) -> list[str]:
    """
    Give the ROS arguments of a system that is measured.

    gesture: parameters of the gesture node, which has no models unless they are given here.
    """
    given = {'model': "''", 'fingertip_model': "''", **(gesture or {})}
    values = {'camera:source': "'demo:'", 'camera:fps': float(fps),
              'detector:model': f"'{model}'", 'detector:threads': threads,
              'speech:engine': 'silent', 'overlay:port': port,
              **{f'gesture:{name}': value for name, value in given.items()}}
    words = ['--ros-args', '--log-level', 'warn']
    for name, value in values.items():
        words += ['-p', f'{name}:={value}']
    return words


class System:
    """A running system, seen through its page's /api/status."""

    def __init__(self, processes: list[subprocess.Popen], port: int):
        """Watch the processes behind the page at `port`."""
        self.processes, self._port = processes, port

    def status(self) -> dict:
        """Give the answer of GET /api/status."""
        with urlopen(f'http://127.0.0.1:{self._port}/api/status', timeout=5) as answer:
            return json.load(answer)

    def wait_until_running(self) -> None:
        """Wait until detections flow; RuntimeError if they do not within START_S."""
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            try:
                if self.status()['detector']['fps'] > 0:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise RuntimeError(f'no detections within {START_S:g} s')

    def rss_mb(self) -> float:
        """Resident memory of all processes together, MB."""
        return sum(psutil.Process(p.pid).memory_info().rss for p in self.processes) / 1e6

    def cpu_s(self) -> float:
        """CPU seconds that all processes have used."""
        return sum(sum(psutil.Process(p.pid).cpu_times()[:2]) for p in self.processes)


@contextmanager
def running(names: list[str], words: list[str], port: int):
    """Run the executables `names` with `words`; gives the System and ends it afterwards."""
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(100 + os.getpid() % 100)}
    processes = [subprocess.Popen([str(BIN / name), *words], env=environment) for name in names]
    try:
        system = System(processes, port)
        system.wait_until_running()
        yield system
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
