"""Threads that give way: each thread for itself, and those that it starts."""

import os
import sys
import threading

from edge_vision.core.priority import call_giving_way, give_way
from edge_vision.core.worker import Worker
import pytest

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='only Linux has it by thread')


def own_nice():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_another_thread():
    heard = []
    thread = threading.Thread(target=lambda: heard.append(own_nice()))
    thread.start()
    thread.join()
    return heard[0]


def test_work_gives_way_with_all_that_it_starts_and_the_caller_does_not():
    before = own_nice()
    wanted = min(19, before + 5)
    assert call_giving_way(lambda: (own_nice(), in_another_thread()), wanted) == (wanted, wanted)
    assert own_nice() == before


def test_an_error_comes_back():
    with pytest.raises(ZeroDivisionError):
        call_giving_way(lambda: 1 / 0, 1)


def test_nobody_is_given_more_than_he_had():
    def twice():
        give_way(19)
        give_way(5)
        return own_nice()
    assert call_giving_way(twice, 0) == 19


def test_a_worker_begins_with_what_it_is_told():
    heard, done = [], threading.Event()
    worker = Worker('test', lambda item: (heard.append(own_nice()), done.set()), pytest.fail,
                    lambda: give_way(19))
    worker.put(1)
    assert done.wait(20)
    worker.close()
    assert heard == [19]
