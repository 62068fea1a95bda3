"""From the command line to running nodes and back: start, spin, and a clean end."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import re
import signal
import sys
import threading
import traceback
from typing import Callable, Iterable, Sequence

import cv2
from edge_vision.core.errors import UserError
from edge_vision.nodes.edge_node import EdgeNode
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger, LoggingSeverity, set_logger_level
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

WRONG_USE = 2  # exit code for a mistake of the user
WAKE_S = 0.5


class _ToRos(logging.Handler):
    """Carries what core logs to the log of ROS."""

    def emit(self, record):
        logger = get_logger(f'edge_vision.{record.name.rpartition(".")[2]}')
        # a line for each, as rclpy takes only one severity from one line of code
        if record.levelno >= logging.ERROR:
            logger.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            logger.warning(record.getMessage())
        else:
            logger.info(record.getMessage())


def _start_ros(args) -> None:
    # what rcl has to say of wrong arguments comes as our sentence too
    set_logger_level('rcl', LoggingSeverity.FATAL)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's class for a wrong argument is private and moved about
        lines = [line for line in str(error).splitlines() if line.strip()]
        sentence = re.sub(r', at /\S+:\d+', '', ' '.join(lines[:2]))  # where in the sources of rcl
        if type(error).__name__ == 'UnknownROSArgsError':
            sentence = (f'ROS does not know {sentence}: it knows -p, -r and --params-file; what '
                        "is for the program itself comes before --ros-args or after '--'")
        elif 'params file' not in sentence:
            sentence += (' (a text that YAML would take for something else wants quotes inside '
                         'quotes: -p "source:=\'demo:\'")')
        raise UserError(sentence) from error
    finally:
        set_logger_level('rcl', LoggingSeverity.UNSET)


def parser(title: str) -> argparse.ArgumentParser:
    """Give the parser of a program's own arguments, those that are not for ROS."""
    return argparse.ArgumentParser(
        prog=title, epilog='Parameters, remappings and files as for every ROS 2 node: --ros-args '
        '-p NAME:=VALUE -r FROM:=TO --params-file FILE. docs/parameters.md lists the parameters.')


def run(words: argparse.ArgumentParser, make_nodes: Callable[..., Iterable[EdgeNode]],
        args=None) -> int:
    """
    Run nodes in this process until Ctrl-C, SIGTERM or the end of the context.

    words: parses the program's own arguments. make_nodes(parsed) gives the nodes in the order of
    the flow of data. Returns the exit code: 0, or 2 after one sentence on stderr for a mistake
    of the user.
    """
    args = sys.argv if args is None else [words.prog, *args]
    faulthandler.enable()
    # the sources say in a sentence what OpenCV and FFmpeg would tell in ten lines at each try
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '8')
    if hasattr(cv2, 'utils') and hasattr(cv2.utils, 'logging'):  # not in old ones
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    # one thread: OpenCV's pool would fight with ONNX Runtime's for the same few cores
    cv2.setNumThreads(1)
    logging.getLogger('edge_vision').addHandler(_ToRos())
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    nodes = []
    spinning = None
    try:
        _start_ros(args)
        own = words.parse_args(remove_ros_args(args)[1:])
        executor = SingleThreadedExecutor()
        spinning = Spinning(executor, stop)
        for node in make_nodes(own):
            nodes.append(node)
            executor.add_node(node)
        spinning.start()
        # with a time limit, as Python hears of a signal that came just before the wait only after
        while not stop.wait(WAKE_S):
            pass
        return spinning.exit_code
    except UserError as error:
        print(f'{words.prog}: {error}', file=sys.stderr, flush=True)
        return WRONG_USE
    finally:
        _end(nodes, spinning)


class Spinning:
    """
    The executor in a thread of its own, so that the main thread is free for signals.

    rclpy's own handlers end the context first, and every thread that still publishes then fails.
    """

    def __init__(self, executor, stop: threading.Event):
        """Set `stop` when the executor ends, for whatever reason."""
        self._executor, self._stop = executor, stop
        self.exit_code = 0
        self._thread = threading.Thread(target=self._run, name='ros', daemon=True)

    def start(self) -> None:
        """Begin to serve the nodes."""
        self._thread.start()

    def _run(self):
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except Exception:  # noqa: BLE001 a callback's fault: end, and say why
            self.exit_code = 1
            get_logger('edge_vision').fatal(traceback.format_exc())
        finally:
            self._stop.set()

    def end(self) -> None:
        """Stop serving."""
        self._executor.shutdown(timeout_sec=1.0)
        if self._thread.is_alive():
            self._thread.join(1.0)


def _end(nodes: Sequence[EdgeNode], spinning) -> None:
    for node in nodes:  # in the order of the flow: the source first, so that nothing new comes
        node.close()
    if spinning is not None:
        spinning.end()
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()
