"""Mailbox and worker: the newest item wins, and nothing blocks or dies."""

import threading

from edge_vision.core.mailbox import Mailbox
from edge_vision.core.worker import Worker
import pytest

PATIENCE_S = 10.0  # for what takes a millisecond on an idle machine


def test_nothing_comes_out_of_an_empty_box():
    assert Mailbox().take(timeout_s=0.0) is None


def test_the_newest_wins_and_the_others_are_counted():
    box = Mailbox()
    for item in 'abc':
        box.put(item)
    assert box.take() == 'c' and box.dropped == 2
    assert box.take(timeout_s=0.0) is None


def test_an_item_that_counts_as_false_is_an_item():
    box = Mailbox()
    box.put(0)
    assert box.take(timeout_s=0.0) == 0


def test_close_wakes_whoever_waits():
    box, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(box.take()))
    thread.start()
    box.close()
    thread.join(PATIENCE_S)
    assert taken == [None] and box.closed


@pytest.mark.parametrize('late', [False, True], ids=['put before', 'put after'])
def test_a_closed_box_is_empty(late):
    box = Mailbox()
    if not late:
        box.put('a')
    box.close()
    if late:
        box.put('a')
    assert box.take() is None


class Bench:
    """A worker whose work waits until the test lets it go on."""

    def __init__(self):
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.done, self.problems = [], []
        self.worker = Worker('bench', self.work, self.problems.append)

    def work(self, item):
        self.begun.release()
        assert self.go_on.acquire(timeout=PATIENCE_S)
        if item == 'bad':
            raise ValueError('bad item')
        self.done.append(item)

    def give(self, item):
        """Put an item and wait until it is under work."""
        self.worker.put(item)
        assert self.begun.acquire(timeout=PATIENCE_S)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.go_on.release(100)
    bench.worker.close()


def test_worker_takes_the_newest_and_counts_the_rest(bench):
    bench.give(1)
    for item in (2, 3, 4):
        bench.worker.put(item)
    bench.go_on.release(2)
    assert bench.begun.acquire(timeout=PATIENCE_S)
    bench.worker.close()
    assert bench.done == [1, 4] and bench.worker.dropped == 2


def test_an_error_costs_one_item(bench):
    bench.give('bad')
    bench.go_on.release()
    bench.give('good')
    bench.go_on.release()
    bench.worker.close()
    assert bench.done == ['good'] and bench.worker.errors == 1
    assert [str(error) for error in bench.problems] == ['bad item']


def test_worker_closes_while_it_waits(bench):
    bench.worker.close()
    assert not bench.worker._thread.is_alive()


def test_close_of_a_worker_that_hangs_comes_back(bench):
    bench.give('long')
    bench.worker.close(timeout_s=0.01)
    assert bench.worker._thread.is_alive()  # left behind; it ends with the work


def test_a_worker_may_close_itself():
    ended = threading.Event()

    def work(item):
        worker.close()
        ended.set()
    worker = Worker('own end', work, pytest.fail)
    worker.put(1)
    assert ended.wait(PATIENCE_S)
