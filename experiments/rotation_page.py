"""The page and figure of rotation.py."""

from pathlib import Path

from matplotlib.figure import Figure
from pages import markdown
from paired import Difference, Mean, difference, holm, mean, said
from resumable import minutes, relative

TITLES = {
    "nothing": "nothing",
    "augmentation": "augmentation",
    "term 0.01": "term, λ 0.01",
    "term 0.1": "term, λ 0.1",
    "both 0.01": "both, λ 0.01",
    "both 0.1": "both, λ 0.1",
}
COLOURS = {
    "nothing": "#444444", "augmentation": "#2a9d8f", "term 0.01": "#8fb3f0",
    "term 0.1": "#2f6fde", "both 0.01": "#e9929c", "both 0.1": "#d1495b",
}  # fmt: skip
SHOWN = (0.0, 15.0, 30.0, 45.0)

PAGE = """\
# Asked to treat a turned picture alike, does a network do so?

`ks.losses.InvarianceLoss` punishes how fast the gradient of a picture turns when the picture is \
turned. Augmentation shows turned pictures. Here a small network learns with neither, either, or \
both, and is then asked about test pictures turned by φ: is k_C(x, T_φ x) higher, and is the class \
still found?

![Similarity and accuracy against the angle]({image})

## In short

{conclusions}

## Numbers

Data: {data}. Accuracy in percent, mean over {seeds} seeds ± half the 95 % interval of \
Student's t; ±φ taken together. Below it the paired difference from nothing, its interval and p of \
the paired t-test, corrected by Holm over all rows and angles of the table.

{accuracies}
The same for k_C(x, T_φ x); *rate* is the term itself, \
‖(I − ĝĝᵀ) ∂_φ g‖²/‖g‖² a squared radian; *any pair* the mean k_C of two test pictures: where it \
rises, too, the network takes all pictures for more alike, turned or not.

{similarities}
A step costs, in plain steps (processor time, arms in turn, median): {costs}.

## What was done

- {train:,} training pictures drawn by the seed, {steps} steps of 32, Adam, 2e-3 falling to 0 by a \
cosine; two convolutions and a linear layer, GELU, 9,226 parameters. Seeds fix pictures, \
initialisation, batches and angles for all arms.
- *Augmentation*: every picture of a batch turned by an angle from ±15°. *Term*: \
`ks.losses.InvarianceLoss(model, turn, step=1e-2, weight=λ, \
output=ks.outputs.OwnClass("batch"))` on the same batch. *Both*: the term at the turned pictures.
- Tested on {test:,} test pictures, similarity on the first {asked}. The two weights were \
tried on one seed and 1,000 test pictures first, and then kept. Equal steps, not equal time: \
augmentation is nearly free, and more steps in the time of the term were not tried.

## To repeat it

```console
$ pip install -c constraints.txt -e '.[experiments]'
$ python experiments/rotation.py                       # digits, two minutes
$ python experiments/rotation.py --data FOLDER --full  # {minutes} minutes of one core
```

FOLDER holds `fashion_mnist/`. An interrupted run goes on where it was. Measured on {processor}, \
threads: {threads}, PyTorch {torch}, Python {python}, on a machine shared with other work. \
Numbers: [rotation.json]({results}).
"""


class Seeds:
    """The runs of a report, paired by seed."""

    def __init__(self, report: dict):
        self.cells = [cell["arms"] for cell in report["cells"].values()]
        self.angles = report["sizes"]["angles"]

    def values(self, arm: str, key: str, angle: float) -> list[float]:
        """By seed, the mean of φ and −φ."""
        places = [self.angles.index(angle), self.angles.index(-angle)]
        return [sum(cell[arm][key][place] for place in places) / 2 for cell in self.cells]

    def mean(self, arm: str, key: str, angle: float) -> Mean:
        """Over the seeds."""
        return mean(self.values(arm, key, angle))

    def against(self, arm: str, key: str, angle: float, other: str = "nothing") -> Difference:
        """Arm less the other arm."""
        return difference(self.values(arm, key, angle), self.values(other, key, angle))

    def corrected(self, key: str) -> dict[tuple[str, float], float]:
        """Holm's p of all arms at the angles of the tables; at 0 every similarity is 1."""
        angles = [angle for angle in SHOWN if angle or key == "accuracy"]
        keys = [(arm, angle) for arm in list(TITLES)[1:] for angle in angles]
        ps = holm([self.against(arm, key, angle).p for arm, angle in keys])
        return dict(zip(keys, ps, strict=True))


def write_page(report: dict, page: Path, image: Path, results: Path) -> str:
    """Write the figure and the page; the conclusions come back."""
    seeds = Seeds(report)
    figure(seeds, image)
    short = "\n".join(f"- {line}" for line in conclusions(seeds))
    sizes = report["sizes"]
    names = {"fashion_mnist": "Fashion-MNIST", "digits": "scikit-learn's digits"}
    text = PAGE.format(
        **report["environment"],
        **{name: sizes[name] for name in ("train", "test", "asked", "steps")},
        image=relative(image, page),
        results=relative(results, page),
        conclusions=short,
        data=names[sizes["data"]],
        seeds=len(seeds.cells),
        accuracies=_table(seeds, "accuracy", 100, 1, []),
        similarities=_table(seeds, "similarity", 1, 3, ["rate", "pairs"]),
        costs=", ".join(f"{TITLES[arm]} {value:.1f}" for arm, value in report["costs"].items()),
        minutes=minutes(report),
    )
    page.write_text(text)
    return short


def conclusions(seeds: Seeds) -> list[str]:
    """What the numbers say, each sentence made from them."""
    lines = []
    for arm in list(TITLES)[1:]:
        near, far = (seeds.against(arm, "accuracy", angle) for angle in (15.0, 45.0))
        upright = seeds.against(arm, "accuracy", 0.0)
        similar = seeds.mean(arm, "similarity", 15.0).mean
        plain = seeds.mean("nothing", "similarity", 15.0).mean
        lines.append(
            f"{TITLES[arm]}: k_C(x, T x) at 15° {plain:.2f} → {similar:.2f}; accuracy upright "
            f"{_points(upright)}, at 15° {_points(near)}, at 45° {_points(far)}."
        )
    weights = [arm for arm in TITLES if arm.startswith("term")]
    best = max(weights, key=lambda arm: seeds.mean(arm, "accuracy", 15.0).mean)
    rival = seeds.against(best, "accuracy", 15.0, "augmentation")
    lines.append(
        f"The better of the two weights of the term alone against augmentation alone, accuracy at "
        f"15°: {_points(rival)}. {_verdict(rival)}"
    )
    for both in (arm for arm in TITLES if arm.startswith("both")):
        within, beyond = (
            seeds.against(both, "accuracy", angle, "augmentation") for angle in (15.0, 30.0)
        )
        lines.append(
            f"{TITLES[both]}, against augmentation alone: at 15° {_points(within)}, "
            f"{_adds(within)}; at 30°, beyond the angles that it shows, {_points(beyond)}, "
            f"{_adds(beyond)}."
        )
    return lines


def _verdict(found: Difference) -> str:
    if found.high < 0:
        return (
            "The term makes turned pictures more alike to the network, but their classes are "
            "found better by showing them turned."
        )
    return "The term is better." if found.low > 0 else "No difference that these seeds can tell."


def _adds(found: Difference) -> str:
    if found.high < 0:
        return "worse"
    return "better" if found.low > 0 else "no difference that these seeds can tell"


def _points(found: Difference) -> str:
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def _table(seeds: Seeds, key: str, factor: float, digits: int, more: list[str]) -> str:
    corrected, rows = seeds.corrected(key), []
    for arm, title in TITLES.items():
        means = [seeds.mean(arm, key, angle) for angle in SHOWN]
        cells = [f"{factor * m.mean:.{digits}f} ± {factor * m.half:.{digits}f}" for m in means]
        extra = [mean([cell[arm][name] for cell in seeds.cells]) for name in more]
        rows.append([title, *cells, *(f"{m.mean:.2f} ± {m.half:.2f}" for m in extra)])
        if arm == "nothing":
            continue
        cells = []
        for angle in SHOWN:
            d = seeds.against(arm, key, angle)
            values = [f"{factor * value:+.{digits}f}" for value in (d.mean, d.low, d.high)]
            p = corrected.get((arm, angle))
            there = f"{values[0]} ({values[1]} to {values[2]}), p {said(p or 0.0)}"
            cells.append("" if p is None else there)
        rows.append(["", *cells, *[""] * len(more)])
    head = ["learnt with", *("upright" if a == 0 else f"±{a:.0f}°" for a in SHOWN)]
    return markdown([*head, *({"rate": "rate", "pairs": "any pair"}[name] for name in more)], rows)


def figure(seeds: Seeds, path: Path) -> None:
    """Similarity and accuracy against the angle, one line an arm, bands of 95 %."""
    drawn = Figure(figsize=(10, 3.8), layout="constrained")
    panels = drawn.subplots(1, 2)
    words = {"similarity": "mean k_C(x, T_φ x)", "accuracy": "accuracy"}
    for axes, (key, word) in zip(panels, words.items(), strict=True):
        for arm, title in TITLES.items():
            columns = zip(*(cell[arm][key] for cell in seeds.cells), strict=True)
            means = [mean(list(column)) for column in columns]
            middle = [each.mean for each in means]
            axes.plot(seeds.angles, middle, color=COLOURS[arm], label=title)
            lows, highs = [each.low for each in means], [each.high for each in means]
            axes.fill_between(
                seeds.angles, lows, highs, color=COLOURS[arm], alpha=0.15, linewidth=0
            )
        axes.axvspan(-15, 15, color="#000000", alpha=0.04)
        axes.set(xlabel="angle φ in degrees; grey: those of augmentation", ylabel=word)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    drawn.savefig(path, dpi=110)
