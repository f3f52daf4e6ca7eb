"""The share of the time: looks wait until they are paid for, whatever they and steps cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsight.errors import ArgumentError
from kinsight.training.clock import Clock


class Time:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def look(clock: Clock, time: Time, seconds: float) -> None:
    with clock.looking():
        time.now += seconds


def test_a_look_waits_until_the_share_bears_it() -> None:
    time = Time()
    clock = Clock(0.1, now=time)
    look(clock, time, 2.0)  # at the start
    assert (clock.training, clock.spent, clock.said()["share_used"]) == (0.0, 2.0, None)
    time.now += 39.0
    assert not clock.allows()  # 2 spent and 2 expected need 40 seconds of training
    time.now += 1.5
    assert clock.allows()
    look(clock, time, 1.0)
    assert clock.said()["share_used"] == pytest.approx(3.0 / 40.5)
    assert not Clock(0.1, 5.0, 1.0, 1.0, time).allows()
    assert Clock(None, 5.0, 9.0, 9.0, time).allows()


def test_the_time_under_way_counts() -> None:
    time = Time()
    clock = Clock(0.5, training=10.0, spent=1.0, now=time)
    with clock.looking():
        time.now += 3.0
        assert clock.under_way == 3.0
        assert clock.said()["share_used"] == pytest.approx(0.4)
    assert clock.under_way == 0.0


@given(
    st.floats(0.01, 1.0),
    st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(1, 40)), min_size=1, max_size=30),
)
def test_what_was_used_stays_within_the_share_where_looks_cost_the_same(share, moves) -> None:
    time = Time()
    clock = Clock(share, now=time)
    look(clock, time, 0.25)
    for seconds, steps in moves:
        for _ in range(steps):
            time.now += seconds
            if clock.allows():
                look(clock, time, 0.25)
                assert clock.spent <= share * clock.training * (1 + 1e-9)


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan"), "much", True])
def test_a_share_that_is_none_is_refused(share) -> None:
    with pytest.raises(ArgumentError, match="share: expected"):
        Clock(share)
