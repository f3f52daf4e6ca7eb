"""What the runs of similarity_training.py say: means and paired differences, and their figure."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from paired import Difference, Mean, difference, holm, mean
from similarity_training_arms import GROUPS, LOOKS, STEPS

SHOWN = (20, 40, 80, 150)
TITLES = {
    "plain": "plain",
    **{f"apart {w}": f"+{w} k_C" for w in ("0.1", "0.3", "1")},
    **{f"alike {w}": f"−{w} k_C" for w in ("0.1", "0.3", "1")},
    "three pairs": "plain, three pairs a step",
    "moved": "plain, pictures moved at random",
    "moved copies": "plain, moved copies besides",
    "apart 1, pairs": "+1 k_C, mean over pairs",
    "alike 1, pairs": "−1 k_C, mean over pairs",
    "apart 1, means": "+1 k_C of mean gradients",
    "alike 1, means": "−1 k_C of mean gradients",
}
COLOURS = {
    "plain": "#444444", "apart 1": "#d1495b", "alike 1": "#2f6fde", "apart 0.3": "#e9929c",
    "alike 0.3": "#8fb3f0", "three pairs": "#2a9d8f", "apart 1, pairs": "#d1495b",
    "alike 1, pairs": "#2f6fde", "apart 1, means": "#f4a261", "alike 1, means": "#8fb3f0",
}  # fmt: skip


class Runs:
    """The runs of a report by group and arm, paired by seed."""

    def __init__(self, report: dict):
        self.sizes, self.costs = report["sizes"], report["costs"]
        self.found: dict[tuple[str, str], dict[str, dict]] = {}
        for name, run in report["cells"].items():
            group, arm, seed = name.split("/")
            self.found.setdefault((group, arm), {})[seed] = run

    def arms(self, group: str) -> list[str]:
        """The arms of which there are at least two runs, in their order."""
        return [arm for arm in GROUPS[group] if len(self.found.get((group, arm), {})) > 1]

    def steps(self, group: str) -> list[int]:
        """When validation was done."""
        last = self.sizes[f"last_{group}"]
        return [step for step in STEPS if step <= last]

    def shown(self, group: str) -> list[int]:
        """The steps of the tables."""
        return [step for step in SHOWN if step in self.steps(group)]

    def values(self, group: str, arm: str, key: str, step: int) -> dict[str, float]:
        """By seed. ``key``: "accuracy" in percent, "loss", "same", "other"."""
        steps = self.steps(group) if key in ("accuracy", "loss") else [*LOOKS]
        factor = 100 if key == "accuracy" else 1
        runs = self.found[group, arm].items()
        return {seed: factor * run[key][steps.index(step)] for seed, run in runs}

    def mean(self, group: str, arm: str, key: str, step: int) -> Mean:
        """Over the seeds."""
        return mean(list(self.values(group, arm, key, step).values()))

    def against(
        self, group: str, arm: str, step: int, other: str = "plain", key: str = "accuracy"
    ) -> Difference:
        """Arm less the other arm, over the seeds that both have."""
        ours, theirs = (self.values(group, name, key, step) for name in (arm, other))
        seeds = sorted(ours.keys() & theirs.keys())
        return difference([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])

    def corrected(self, group: str) -> dict[tuple[str, int], float]:
        """Holm's p of every arm at every step of the tables, one family a group."""
        keys = [
            (arm, step) for arm in self.arms(group) if arm != "plain" for step in self.shown(group)
        ]
        return dict(zip(keys, holm([self.against(group, *key).p for key in keys]), strict=True))


def figure(runs: Runs, path: Path) -> None:
    """Accuracy by step, and the difference from plain, with 95 % bands; a row a group."""
    groups = [group for group in GROUPS if runs.arms(group)]
    drawn = Figure(figsize=(10, 3.7 * len(groups)), layout="constrained")
    rows = drawn.subplots(len(groups), 2, squeeze=False)
    for group, (left, right) in zip(groups, rows, strict=True):
        arms = [arm for arm in runs.arms(group) if arm in COLOURS]
        for arm in arms:
            means = [runs.mean(group, arm, "accuracy", step) for step in runs.steps(group)]
            _band(left, runs.steps(group), means, COLOURS[arm], TITLES[arm])
            if arm != "plain":
                means = [runs.against(group, arm, step) for step in runs.steps(group)]
                _band(right, runs.steps(group), means, COLOURS[arm], TITLES[arm])
        pairs = "one pair" if group == "one" else "sixteen pairs"
        left.set(ylabel="validation accuracy, %", title=f"{pairs} a step")
        right.set(ylabel="points more than plain", title="paired difference from plain")
        right.axhline(0, color=COLOURS["plain"], linewidth=1)
        left.legend(fontsize="small")
        for axes in (left, right):
            axes.set_xlabel("step")
            axes.grid(alpha=0.3)
    drawn.savefig(path, dpi=110)


def _band(axes: Axes, steps: list[int], means: list, colour: str, title: str) -> None:
    axes.plot(steps, [each.mean for each in means], "o-", color=colour, label=title, markersize=3)
    lows, highs = ([getattr(each, end) for each in means] for end in ("low", "high"))
    axes.fill_between(steps, lows, highs, color=colour, alpha=0.15, linewidth=0)
