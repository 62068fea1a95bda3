"""Networks that take turns."""

from __future__ import annotations

import threading

from edge_vision.core.turns import Turns
import pytest


def test_who_asks_first_is_first_also_against_one_who_asks_again_at_once():
    turns, order, greedy_has_it, other_asks = Turns(), [], threading.Event(), threading.Event()

    def greedy() -> None:
        for number in range(3):
            with turns:
                order.append(number)
                greedy_has_it.set()
                other_asks.wait(10)
                while not turns._next.locked() and number == 0:  # until the other one waits
                    pass

    def other() -> None:
        greedy_has_it.wait(10)
        other_asks.set()
        with turns:
            order.append('other')

    threads = [threading.Thread(target=work) for work in (greedy, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == [0, 'other', 1, 2]


def test_an_error_gives_the_turn_back():
    turns = Turns()
    with pytest.raises(ValueError), turns:
        raise ValueError
    with turns:
        pass
