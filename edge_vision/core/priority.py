"""Work that gives way to other work on a busy machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import os
import sys
import threading
from typing import Callable, TypeVar

Answer = TypeVar('Answer')


def give_way(nice: int) -> None:
    """Lower the priority of the calling thread alone, 0 to 19, where the system can (Linux)."""
    if sys.platform != 'linux':
        return
    own = threading.get_native_id()  # which Linux takes for a process here
    if os.getpriority(os.PRIO_PROCESS, own) < nice:  # only root may go back
        os.setpriority(os.PRIO_PROCESS, own, nice)


def call_giving_way(work: Callable[[], Answer], nice: int) -> Answer:
    """Call `work` in a thread of lower priority and wait: threads that it starts keep that."""
    with ThreadPoolExecutor(1, 'giving_way', give_way, (nice,)) as thread:
        return thread.submit(work).result()
