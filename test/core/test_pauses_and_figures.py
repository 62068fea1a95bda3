"""Pauses, rates and percentiles, with a clock that the test turns."""

from edge_vision.core.backoff import Backoff
from edge_vision.core.stats import Percentiles, RateMeter
import numpy as np
import pytest


@pytest.mark.parametrize(('first', 'longest', 'expected'), [
    pytest.param(1.0, 30.0, [1, 2, 4, 8, 16, 30, 30], id='doubles up to the longest'),
    pytest.param(0.1, 0.3, [0.1, 0.2, 0.3, 0.3], id='short'),
    pytest.param(60.0, 30.0, [60, 60], id='never below the first')])
def test_pauses_grow(first, longest, expected):
    backoff = Backoff(first, longest)
    assert [backoff.next_s() for _ in expected] == pytest.approx(expected)
    backoff.reset()
    assert backoff.next_s() == first


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


def ticked(rate_hz, count, window_s=2.0):
    clock = Clock()
    meter = RateMeter(window_s, clock)
    for _ in range(count):
        clock.now_s += 1 / rate_hz
        meter.tick()
    return meter, clock


def test_nothing_counted_is_no_rate():
    assert RateMeter(clock=Clock()).per_second() == 0.0


def test_one_event_is_no_rate():
    assert ticked(10, 1)[0].per_second() == 0.0


@pytest.mark.parametrize('rate_hz', [1.0, 7.5, 30.0, 120.0])
def test_steady_rate(rate_hz):
    meter, clock = ticked(rate_hz, 500)
    assert meter.per_second() == pytest.approx(rate_hz, rel=1e-6)
    clock.now_s += 0.5 / rate_hz  # between two events nothing changes
    assert meter.per_second() == pytest.approx(rate_hz, rel=0.02 + rate_hz / 2 % 1 / rate_hz)


def test_the_rate_falls_as_soon_as_the_flow_stops():
    meter, clock = ticked(30, 100)
    rates = []
    for _ in range(5):
        rates.append(meter.per_second())
        clock.now_s += 0.5
    assert rates[0] == pytest.approx(30) and rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0


def test_only_the_window_is_remembered():
    meter, _ = ticked(1000, 20_000, window_s=0.1)
    assert len(meter._times) <= 102


def test_no_values_give_no_percentiles():
    assert Percentiles().at(50, 95) == {}


@pytest.mark.parametrize('values', [[7.0], [1.0, 2.0], [4.0, 1.0, 3.0, 2.0],
                                    list(range(20)), list(range(200, 0, -1))],
                         ids=['one', 'two', 'four', 'twenty', 'two hundred'])
def test_percentiles_by_nearest_rank(values):
    figures = Percentiles()
    for value in values:
        figures.add(value)
    percents = (0, 25, 50, 95, 99, 100)
    expected = np.percentile(values, percents, method='inverted_cdf')
    assert figures.at(*percents) == {f'p{p}': v for p, v in zip(percents, expected)}


def test_old_values_are_forgotten():
    figures = Percentiles(size=10)
    for value in range(100):
        figures.add(value)
    assert figures.at(0, 100) == {'p0': 90, 'p100': 99}
