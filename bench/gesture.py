"""
What the gesture node costs the detector: its rate with the node paused and at work, in turn.

    python -m bench.gesture [--gesture FILE] [--fingertip FILE] [--rate 5] [--seconds 8]

The camera gives 30 frames a second, as an ordinary one does, and then as many as the detector's
network alone could take. Both halves of a round follow each other in one system, so that a
machine whose speed drifts does not spoil the ratio; the medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import statistics
import time

from bench.__main__ import a_frame, bare, cores, FLOW_HZ, free_port
from bench.systems import arguments, running
import cv2
from edge_vision.core.gesture import GestureModel, load_gesture
import rclpy
from rclpy.node import Node
from std_srvs.srv import SetBool

SETTLE_S = 4.0  # until the windows of the rates hold nothing of what was before
LOOKS = 30
OFF, ON = 'paused', 'at work'


def cpu_ms_of(model: GestureModel) -> float:
    """CPU milliseconds that one look of the network takes by itself, on all its threads."""
    cv2.setNumThreads(1)
    blob = model.prepare(a_frame())
    start_s = time.process_time()
    for _ in range(LOOKS):
        model.infer(blob)
    return 1000 * (time.process_time() - start_s) / LOOKS


class Switch:
    """Pauses and resumes the gesture node of the system that is measured."""

    def __init__(self):
        """Join the domain that bench.systems gives to its systems."""
        os.environ['ROS_DOMAIN_ID'] = str(100 + os.getpid() % 100)
        rclpy.init()
        self._node = Node('bench_gesture')
        self._client = self._node.create_client(SetBool, '/gesture/enable')

    def set(self, wanted: bool) -> None:
        """Wait until the node has done it."""
        if not self._client.wait_for_service(10.0):
            raise RuntimeError('the gesture node is not there')
        rclpy.spin_until_future_complete(
            self._node, self._client.call_async(SetBool.Request(data=wanted)), timeout_sec=10.0)

    def close(self) -> None:
        """Leave."""
        self._node.destroy_node()
        rclpy.shutdown()


def half(system, switch: Switch, wanted: bool, seconds: float) -> dict[str, float]:
    """Measure one half of a round."""
    switch.set(wanted)
    time.sleep(SETTLE_S)
    cpu_s, start_s, seen = system.cpu_s(), time.monotonic(), []
    while time.monotonic() < start_s + seconds:
        time.sleep(1.0)
        seen.append(system.status())
    return {'fps': statistics.mean(s['detector']['fps'] for s in seen),
            'p50': statistics.median(s['detector']['latency_ms']['p50'] for s in seen),
            'looks': statistics.mean(s['gestures']['fps'] for s in seen),
            'gesture_p50': seen[-1]['gestures']['latency_ms']['p50'] or float('nan'),
            'cpu': (system.cpu_s() - cpu_s) / (time.monotonic() - start_s)}


def measure(options, switch: Switch, fps: float) -> dict[str, dict[str, float]]:
    """Measure some rounds; gives the medians for both halves, with the fall of the rate."""
    port = free_port()
    words = arguments(options.model, options.threads, fps, port, {
        'model': f"'{options.gesture}'", 'fingertip_model': f"'{options.fingertip}'",
        'rate_hz': float(options.rate), 'threads': options.gesture_threads})
    rows: dict[str, list] = {OFF: [], ON: []}
    with running(['nano'], words, port) as system:
        for number in range(options.rounds):
            for name in (OFF, ON):
                rows[name].append(half(system, switch, name == ON, options.seconds))
            fall = 1 - rows[ON][-1]['fps'] / rows[OFF][-1]['fps']
            rows[ON][-1]['fall'], rows[OFF][-1]['fall'] = fall, 0.0
            print(f'round {number + 1}, camera at {fps:g} Hz: {rows[OFF][-1]["fps"]:.1f} and '
                  f'{rows[ON][-1]["fps"]:.1f} detections/s', flush=True)
    return {name: {key: statistics.median(row[key] for row in of) for key in of[0]}
            for name, of in rows.items()}


def settings(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='python -m bench.gesture', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='person', help='of the detector')
    parser.add_argument('--gesture', default='gesture', help="model; '' for none")
    parser.add_argument('--fingertip', default='fingertip', help="model; '' for none")
    parser.add_argument('--rate', type=float, default=5.0, help='looks per second')
    parser.add_argument('--threads', type=int, default=2, help='of the detector')
    parser.add_argument('--gesture-threads', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=8.0, help='of each half of a round')
    parser.add_argument('--rounds', type=int, default=5)
    return parser.parse_args(words)


def section(options: argparse.Namespace) -> list[str]:
    """Measure, and give the lines of the page."""
    names = [name for name in (options.gesture, options.fingertip) if name]
    looks_ms = [cpu_ms_of(load_gesture(name, threads=options.gesture_threads)) for name in names]
    share = sum(looks_ms) / 1000 * options.rate / cores()
    flood_hz = round(bare(options.model, options.threads, 3.0)['fps'])
    switch = Switch()
    try:
        figures = {fps: measure(options, switch, fps) for fps in (FLOW_HZ, flood_hz)}
    finally:
        switch.close()
    lines = [
        '## gesture node', '',
        f'Its networks ({", ".join(Path(name).stem for name in names)}) take '
        f'{" and ".join(f"{ms:.0f}" for ms in looks_ms)} ms of CPU for a look: at '
        f'{options.rate:g} looks/s {100 * share:.1f} % of {cores()} cores. Detector: '
        f'{Path(options.model).stem}, all in one process.', '',
        '| frames/s of the camera | gesture node | looks/s | latency ms | detections/s | '
        'fall % | detector p50 ms | CPU cores |', '| --- ' * 8 + '|']
    for fps, both in figures.items():
        for name, row in both.items():
            looks = ('-', '-') if name == OFF else (f'{row["looks"]:.1f}',
                                                    f'{row["gesture_p50"]:.0f}')
            fall = '-' if name == OFF else f'{100 * row["fall"]:.1f}'
            lines.append(f'| {fps:.0f} | {name} | {looks[0]} | {looks[1]} | {row["fps"]:.1f} | '
                         f'{fall} | {row["p50"]:.1f} | {row["cpu"]:.2f} |')
    return [*lines, '']


def main() -> None:
    """Measure and print."""
    print('\n'.join(section(settings())))


if __name__ == '__main__':
    main()
