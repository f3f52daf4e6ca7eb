"""What a training step costs with each term, in plain steps: timed in turn, in the same run."""

import statistics
import time

from grey_pictures import Pictures
from similarity_training_arms import GROUPS, drawn, network, stepping


def costs(data: Pictures, rounds: int) -> dict[str, dict[str, float]]:
    """Median over rounds of (processor time of the arm's step) / (of the plain step)."""
    return {group: _group(arms, data, rounds) for group, arms in GROUPS.items()}


def _group(arms: dict, data: Pictures, rounds: int) -> dict[str, float]:
    draws = drawn(0, data, rounds + 1, 1)
    steps = {name: stepping(arm, network(0), 0) for name, arm in arms.items()}
    times: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds + 1):
        for name, arm in arms.items():
            first, second = draws.pairs[number, : arm.batch].T
            batch = data.x[first], data.x[second], data.y[first]
            begin = time.process_time()
            steps[name](*batch)
            if number:  # the first step allocates
                times[name].append(time.process_time() - begin)
    plain = times["plain"]
    return {
        name: round(statistics.median(a / b for a, b in zip(own, plain, strict=True)), 2)
        for name, own in times.items()
    }
