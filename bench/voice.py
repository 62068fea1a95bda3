"""
Measures the voice: how soon it speaks, a flood of texts, and what it says of a video.

    python -m bench.voice latency [--rounds 6]     from a detection to the start of its sound
    python -m bench.voice flood                    1,000 texts in a second
    python -m bench.voice video [--minutes 2.4]    the lines of a video, with its log

The first two print one line of JSON. Sound goes to a device that plays to nowhere in real time.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import statistics
import tempfile
import threading
import time

from bench.__main__ import free_port
from bench.systems import running
from bench.tracks import FOREIGN, VIDEO
from edge_vision.core.detections import Detections
from edge_vision.core.found import Found
from edge_vision.nodes import channels
from edge_vision.nodes.channels import Receiver, Sender
from edge_vision.nodes.speech_node import SpeechNode
import numpy as np
import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

RATE_HZ = 10.0  # of the detections that are made here
LEFT = (20.0, 100.0, 120.0, 400.0)  # a person's box
TEXTS = 1000
CHARACTERS = 200


class Stage:
    """A speech node with a node that talks to it, served by a thread of its own."""

    def __init__(self, cache: str, **parameters):
        """Start both in the domain of this process alone."""
        os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100))
        given = {'device': "'null'", 'cooldown_s': 0.0, 'cache_dir': f"'{cache}'", **parameters}
        words = [word for name, value in given.items() for word in ('-p', f'{name}:={value}')]
        rclpy.init(args=['--ros-args', '--log-level', 'warn', *words])
        self.spoken: list[tuple[float, str]] = []
        self.speech = SpeechNode()
        send = self.speech._spoken.send
        self.speech._speaker._on_spoken = lambda text: (
            self.spoken.append((time.monotonic(), text)), send(text))
        self.node = Node('bench_voice')
        self._executor = SingleThreadedExecutor()
        for node in (self.speech, self.node):
            self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def until(self, condition, what: str, limit_s: float = 20.0):
        """Wait for something; RuntimeError where it does not come."""
        end_s = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end_s:
                raise RuntimeError(f'{what}: not within {limit_s:g} s')
            time.sleep(0.002)

    def sender(self, channel) -> Sender:
        """Give a sender that the speech node listens to."""
        sender = Sender(self.node, channel, None)
        self.until(sender.wanted, f'a listener on {channel.topic}')
        return sender

    def close(self) -> None:
        """End all."""
        self.speech.close()
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(2.0)
        rclpy.try_shutdown()


def found(number: int) -> Found:
    """Somebody on the left with a track."""
    one = Detections(np.array([LEFT], np.float32), np.array([0.9], np.float32),
                     np.zeros(1, np.int64), ('person',), np.array([number], np.int64))
    return Found(time.time_ns(), 'camera', one if number else Detections.empty(('person',)))


def first_sound_ms(stage: Stage, sender: Sender, number: int) -> float:
    """Show somebody until the voice begins; milliseconds from the detection that was enough."""
    heard, sent = len(stage.spoken), []
    while len(stage.spoken) == heard:
        sent.append(time.monotonic())
        sender.send(found(number))
        time.sleep(1 / RATE_HZ)
    begin_s, _ = stage.spoken[-1]
    enough_s = begin_s - stage.speech._speaker.latency_ms._values[-1] / 1000
    published_s = max(s for s in sent if s <= enough_s + 0.001)
    while len(stage.spoken) == heard + 1:  # until the leaving was told too
        sender.send(found(0))
        time.sleep(1 / RATE_HZ)
    time.sleep(1.5)  # and was said
    return 1000 * (begin_s - published_s)


def latency(engine: str, rounds: int) -> dict:
    """Measure one engine; gtts speaks from its cache, in which all phrases are."""
    with tempfile.TemporaryDirectory() as cache:
        stage = Stage(cache, engine=engine, announce="['person']")
        try:
            if engine == 'gtts':
                keep_phrases(stage)
            sender = stage.sender(channels.DETECTIONS)
            ms = [first_sound_ms(stage, sender, number) for number in range(1, rounds + 1)]
        finally:
            stage.close()
    return {'engine': engine, 'rounds': rounds, 'median_ms': round(statistics.median(ms), 1),
            'worst_ms': round(max(ms), 1), 'problem': stage.speech._speaker.problem}


def keep_phrases(stage: Stage) -> None:
    """Put what will be said into the cache, spoken by espeak-ng: no network is asked."""
    from edge_vision.core.speech.voices.espeak import Espeak
    manner = stage.speech._speaker.manner
    for text in ('A person.', 'A person has left.'):
        sound = Espeak().sound_of(text, manner.wish, threading.Event())
        stage.speech._cache.put(manner.voice._key(text, manner.wish), sound)


def flood() -> dict:
    """Send 1,000 texts in a second while a long one is spoken, and an urgent one at last."""
    wall_ms, own_ms = [], []
    take = Receiver._take

    def timed(receiver, message):
        start_s, own_s = time.perf_counter(), time.thread_time()
        take(receiver, message)
        if receiver._channel.topic == 'say':
            wall_ms.append(1000 * (time.perf_counter() - start_s))
            own_ms.append(1000 * (time.thread_time() - own_s))

    Receiver._take = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as cache:
        stage = Stage(cache, engine='espeak')
        try:
            sender, rss_mb = stage.sender(channels.SAY), []
            for run in ('first', 'second', 'third'):
                sender.send('a long story ' * 20)
                stage.until(lambda: stage.spoken and 'long story' in stage.spoken[-1][1],
                            'the story begins')
                took_s = send_many(sender)
                before = len(stage.spoken)
                sender.send(f'!the {run} urgent')
                stage.until(lambda before=before: len(stage.spoken) > before, 'the urgent one')
                next_spoken = stage.spoken[before][1]
                stage.speech._queue.clear()
                rss_mb.append(psutil.Process().memory_info().rss / 1e6)
            return {'texts_heard': len(wall_ms), 'sent_in_s': round(took_s, 2),
                    'callback_ms_worst': round(max(wall_ms), 3),
                    'callback_ms_p99': round(float(np.percentile(wall_ms, 99)), 3),
                    'callback_own_ms_worst': round(max(own_ms), 3),
                    'spoken_next': next_spoken,
                    'dropped': sum(stage.speech._queue.dropped.values()),
                    'rss_mb': [round(mb, 1) for mb in rss_mb]}
        finally:
            stage.close()


def send_many(sender: Sender) -> float:
    """Send the texts evenly over a second; gives the seconds that it took."""
    start_s = time.monotonic()
    for number in range(TEXTS):
        sender.send(f'text {number} '.ljust(CHARACTERS, 'x'))
        time.sleep(max(0.0, start_s + (number + 1) / TEXTS - time.monotonic()))
    return time.monotonic() - start_s


def video(model: str, minutes: float) -> None:
    """Run all nodes on the video and print each line with the second in which it came."""
    port = free_port()
    words = ['--ros-args', '--log-level', 'error', '-p', f"camera:source:='{VIDEO}'",
             '-p', f'camera:loop:={str(minutes > 3).lower()}', '-p', f"detector:model:='{model}'",
             '-p', f'overlay:port:={port}', '-p', 'speech:engine:=espeak',
             '-p', "speech:device:='null'"]
    with running(['nano'], words, port) as system:
        start_s, heard, lines = time.monotonic(), 0, []
        rss_mb = [system.rss_mb()]
        while time.monotonic() - start_s < 60 * minutes:
            time.sleep(0.2)
            status = system.status()
            fresh = status['spoken_count'] - heard
            for line in status['spoken'][-fresh:] if fresh else []:
                lines.append(line)
                print(f'{time.monotonic() - start_s:7.1f} s  {line}', flush=True)
            heard = status['spoken_count']
            if time.monotonic() - start_s > 60 * len(rss_mb):
                rss_mb.append(system.rss_mb())
        speech = status['speech']
    coming = sum('left.' not in line for line in lines)
    print(f'{len(lines)} lines: {coming} on coming, {len(lines) - coming} on leaving; '
          f'{Path(model).stem}; from news to sound {speech["latency_ms"]} ms; memory by the '
          f'minute, MB: {", ".join(f"{mb:.0f}" for mb in rss_mb)}')


def main() -> None:
    """Measure what the command line asks for."""
    words = argparse.ArgumentParser(prog='python -m bench.voice', description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument('what', choices=('latency', 'flood', 'video'))
    words.add_argument('--engine', choices=('espeak', 'gtts'), default='espeak')
    words.add_argument('--rounds', type=int, default=6)
    words.add_argument('--model', default=str(FOREIGN))
    words.add_argument('--minutes', type=float, default=2.4)
    options = words.parse_args()
    if options.what == 'video':
        video(options.model, options.minutes)
    elif options.what == 'flood':
        print(json.dumps(flood()))
    else:
        print(json.dumps(latency(options.engine, options.rounds)))


if __name__ == '__main__':
    main()
