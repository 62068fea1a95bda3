"""
Frames per second, latency and memory, beside the bare time of the model in ONNX Runtime.

    python -m bench [--model FILE ...] [--seconds 10] [--threads 2] [--rounds 3]

All is measured in one run, in turn, round by round, and the medians are written: the machine's
speed may drift, the ratios stay.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import platform
import socket
import statistics
import threading
import time

from bench.systems import arguments, running
from edge_vision.core.detector import load_detector, Options, timed_detect
from edge_vision.core.onnx_model import GESTURE_MODELS, named_model
from edge_vision.core.sources import parse_source, Settings
import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parent.parent
FOREIGN = ROOT.parent / 'shared' / 'models' / 'yolox_nano.onnx'
PAGE = ROOT / 'docs' / 'benchmarks.md'
FLOW_HZ = 30.0  # an ordinary camera
SYSTEMS = {'one process': ['nano'],
           'a process each': ['camera_node', 'detector_node', 'speech_node', 'overlay_node']}


def free_port() -> int:
    """Give a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def a_frame() -> np.ndarray:
    """Give one picture of the demo source."""
    source = parse_source('demo:', Settings(fps=30.0))
    source.open(threading.Event())
    return source.read().bgr


def bare(model: str, threads: int, seconds: float) -> dict[str, float]:
    """Run the model alone, one frame after the other, with nothing else in the process."""
    detector = load_detector(model, Options(threads=threads))
    frame, times = a_frame(), []
    prepared = detector.prepare(frame)
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        start_s = time.perf_counter()
        detector.infer(prepared)
        times.append(time.perf_counter() - start_s)
    stages = [timed_detect(detector, frame)[1] for _ in range(50)]
    return {'ms': 1000 * statistics.median(times), 'fps': len(times) / sum(times),
            'around_ms': statistics.median(s['preprocess'] + s['postprocess'] for s in stages)}


def measure(names: list[str], model: str, threads: int, fps: float, seconds: float):
    """Run a system for `seconds` and give the means of what it says of itself."""
    port = free_port()
    with running(names, arguments(model, threads, fps, port), port) as system:
        time.sleep(3)  # start-up is over and the window of the percentiles is filled
        cpu_s, start_s, seen = system.cpu_s(), time.monotonic(), []
        while time.monotonic() < start_s + seconds:
            time.sleep(1.0)
            seen.append(system.status())
        detector = [s['detector'] for s in seen]
        return {'fps': statistics.mean(d['fps'] for d in detector),
                'p50': statistics.median(d['latency_ms']['p50'] for d in detector),
                'p95': statistics.median(d['latency_ms']['p95'] for d in detector),
                'camera_fps': statistics.mean(s['camera']['fps'] for s in seen),
                'rss_mb': system.rss_mb(),
                'cpu': (system.cpu_s() - cpu_s) / (time.monotonic() - start_s)}


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """Median of each figure over the rounds."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def measure_model(model: str, options) -> dict[str, dict[str, float]]:
    """Measure everything for one model, round by round; gives the medians by name."""
    rows: dict[str, list] = {}
    for number in range(options.rounds):
        rows.setdefault('bare', []).append(bare(model, options.threads, options.seconds / 2))
        # as many frames as the network alone could take: how much of that is left in the system?
        flood_hz = round(rows['bare'][-1]['fps'])
        for name, names in SYSTEMS.items():
            for label, fps in (('flow', FLOW_HZ), ('flood', flood_hz)):
                row = measure(names, model, options.threads, fps, options.seconds)
                row['of_bare'] = row['fps'] / rows['bare'][-1]['fps']  # within one round
                row['beyond_ms'] = row['p50'] - rows['bare'][-1]['ms']
                rows.setdefault(f'{name}, {label}', []).append(row)
                print(f'{Path(model).stem} round {number + 1}, {name}, camera at {fps:g} Hz: '
                      f'{row["fps"]:.1f} detections/s, p50 {row["p50"]:.1f} ms', flush=True)
    return {name: medians(row) for name, row in rows.items()}


def table(model: str, figures: dict[str, dict[str, float]]) -> list[str]:
    """Give the lines of a model's table."""
    alone = figures['bare']
    lines = [
        f'## {Path(model).stem}', '',
        f'Bare in ONNX Runtime: {alone["ms"]:.1f} ms a frame, {alone["fps"]:.1f} frames/s; '
        f'letterbox and boxes around it: {alone["around_ms"]:.1f} ms.', '',
        '| system | frames/s of the camera | detections/s | of bare | latency p50 ms | p95 ms | '
        'p50 beyond bare ms | memory MB | CPU cores |', '| --- ' * 9 + '|']
    for name in SYSTEMS:
        for label in ('flow', 'flood'):
            row = figures[f'{name}, {label}']
            lines.append(
                f'| {name} | {row["camera_fps"]:.0f} | {row["fps"]:.1f} | '
                f'{row["of_bare"]:.2f} | {row["p50"]:.1f} | {row["p95"]:.1f} | '
                f'{row["beyond_ms"]:.1f} | {row["rss_mb"]:.0f} | {row["cpu"]:.2f} |')
    return lines + ['']


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog='python -m bench', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', nargs='*', default=None, help='models to measure')
    parser.add_argument('--seconds', type=float, default=10.0, help='of each measurement')
    parser.add_argument('--threads', type=int, default=2, help='of ONNX Runtime')
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    models = options.model or ['person'] + ([str(FOREIGN)] if FOREIGN.is_file() else [])
    lines = [
        '# Benchmarks', '',
        'Written by `make bench`. Demo source, 640x480, no viewer; latency is from the capture to '
        f'the published detections. Medians of {options.rounds} rounds in one run; compare '
        'ratios, not machines.', '',
        f'{platform.machine()}, {cores()} cores, Python {platform.python_version()}, '
        f'ONNX Runtime {onnxruntime.__version__}, {options.threads} threads.', '',
        '- *of bare*: detections per second against the network alone on the same threads.',
        f'- the camera gives {FLOW_HZ:g} frames/s, as an ordinary one does, and then as many as '
        'the network alone could take.', '']
    for model in models:
        lines += table(model, measure_model(model, options))
    if all(named_model(name) for name in GESTURE_MODELS):
        from bench.gesture import section, settings  # which imports this module
        lines += section(settings([f'--threads={options.threads}', f'--seconds={options.seconds}',
                                   f'--rounds={options.rounds}']))
    PAGE.write_text('\n'.join(lines))
    print(f'written to {PAGE.relative_to(ROOT)}')


if __name__ == '__main__':
    main()
