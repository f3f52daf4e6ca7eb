"""The page and figure of regularisers.py."""

from pathlib import Path

from matplotlib.figure import Figure
from pages import markdown
from paired import Difference, Mean, difference, holm, mean, said
from regularisers_terms import METHODS
from resumable import minutes, relative

PAGE = """\
# Terms made of gradients, compared on one budget

Several terms punish or ask for something of gradients: of the parameters' (similarity and \
invariance, `ks.losses`), or of the input's (contractive networks, gradient penalties, double \
backpropagation). With few labels, which of them helps a small network to generalise?

![Test accuracy less that of plain training, by number of labels]({image})

## In short

{conclusions}

## Test accuracy

Data: {data}. Percent of {test:,} test pictures, mean over {seeds} seeds ± half the 95 % interval \
of Student's t; below it the paired difference from nothing with its interval and p of the paired \
t-test, corrected by Holm over the whole table. The weight of each run is the one of those tried \
that was best on {validation:,} other pictures with that seed.

{accuracies}
With each weight, mean over the seeds, test accuracy; nothing chosen:

{weights}
## What a step costs

Processor time in plain steps, methods in turn, median: {costs}. The *budget* is the number of \
steps; the row with three times the steps says what plain training does with more time.

## What was done

- {labels} labels, drawn by the seed; {steps} steps of 32, Adam, 2e-3 falling to 0 by a cosine, no \
augmentation. Two convolutions and a linear layer, GELU, 9,226 parameters. The seed fixes \
pictures, initialisation and batches for all methods.
- *Similar*, *dissimilar*: `ks.losses.SimilarityLoss` over all pairs of equal label in a batch, \
`sign` 1 and −1. *Invariance*: `ks.losses.InvarianceLoss` with rotations; it is told something \
about pictures that the others are not.
- *Contractive* (Rifai et al. 2011): ‖∂_x z‖_F² of the ten logits z by one random projection. \
*Gradient penalty* (in the manner of Gulrajani et al. 2017): (‖∂_x m‖ − 1)² with \
m = z_y − mean of the others, at random points between two pictures of the batch. *Double \
backpropagation* (Drucker and LeCun 1992): ‖∂_x loss‖² of each sample.
- Two weights each, kept from a short trial of up to three with one seed and 100 labels, which \
also looked at test pictures. Finer choices may do better, for every method.
- The budget is small: {passes} passes over the pictures. What the row with three times the steps \
gains says how far plain training is from its end; what the terms do to networks that are \
trained to the end is not measured here.

## To repeat it

```console
$ pip install -c constraints.txt -e '.[experiments]'
$ python experiments/regularisers.py                       # digits, two minutes
$ python experiments/regularisers.py --data FOLDER --full  # {minutes} minutes of one core
```

FOLDER holds `fashion_mnist/`. An interrupted run goes on where it was. Measured on {processor}, \
threads: {threads}, PyTorch {torch}, Python {python}, on a machine shared with other work. \
Numbers: [regularisers.json]({results}).
"""
COLOURS = {
    "longer": "#444444", "decay": "#9a9a9a", "alike": "#2f6fde", "apart": "#d1495b",
    "invariant": "#8fb3f0", "contractive": "#2a9d8f", "penalty": "#f4a261", "double": "#8a5fbf",
}  # fmt: skip


class Problems:
    """The runs of a report by number of labels, paired by seed."""

    def __init__(self, report: dict):
        self.found: dict[int, list[dict]] = {}
        for name, cell in sorted(report["cells"].items()):
            self.found.setdefault(int(name.split("/")[0]), []).append(cell["methods"])
        # A number of labels of which there is one seed says nothing yet.
        self.found = dict(sorted((n, c) for n, c in self.found.items() if len(c) > 1))

    @property
    def counts(self) -> list[int]:
        """Numbers of labels."""
        return list(self.found)

    def values(self, method: str, count: int, weight: str | None = None) -> list[float]:
        """Test accuracy in percent by seed; the weight best in validation, or a given one."""
        values = []
        for cell in self.found[count]:
            tried = cell[method]
            best = max(tried, key=lambda each: tried[each][0]) if weight is None else weight
            values.append(100 * tried[best][1])
        return values

    def mean(self, method: str, count: int, weight: str | None = None) -> Mean:
        """Over the seeds."""
        return mean(self.values(method, count, weight))

    def against(self, method: str, count: int, other: str = "plain") -> Difference:
        """Method less the other."""
        return difference(self.values(method, count), self.values(other, count))

    def corrected(self) -> dict[tuple[str, int], float]:
        """Holm's p of every method at every number of labels, one family."""
        keys = [(name, count) for name in METHODS if name != "plain" for count in self.counts]
        return dict(zip(keys, holm([self.against(*key).p for key in keys]), strict=True))


def write_page(report: dict, page: Path, image: Path, results: Path) -> str:
    """Write the figure and the page; the conclusions come back."""
    problems, sizes = Problems(report), report["sizes"]
    figure(problems, image)
    short = "\n".join(f"- {line}" for line in conclusions(problems))
    names = {"fashion_mnist": "Fashion-MNIST", "digits": "scikit-learn's digits"}
    counts = sorted({len(cells) for cells in problems.found.values()})
    text = PAGE.format(
        **report["environment"],
        **{name: sizes[name] for name in ("validation", "test", "steps")},
        image=relative(image, page),
        results=relative(results, page),
        conclusions=short,
        data=names[sizes["data"]],
        seeds=" or ".join(map(str, counts)),
        labels=", ".join(f"{count:,}" for count in problems.counts),
        passes=", ".join(f"{sizes['steps'] * 32 / count:.2g}" for count in problems.counts),
        accuracies=_table(problems),
        weights=_weights(problems),
        costs=", ".join(
            f"{METHODS[name].title.split(':')[0]} {value:.1f}"
            for name, value in report["costs"].items()
            if name != "longer"
        ),
        minutes=minutes(report),
    )
    page.write_text(text)
    return short


def conclusions(problems: Problems) -> list[str]:
    """What the numbers say, each sentence made from them."""
    corrected, lines = problems.corrected(), []
    for count in problems.counts:
        names = [name for name in METHODS if name != "plain"]
        better = [n for n in names if corrected[n, count] < 0.05 and _gain(problems, n, count) > 0]
        worse = [n for n in names if corrected[n, count] < 0.05 and _gain(problems, n, count) < 0]
        plain = problems.mean("plain", count).mean
        best = max(names, key=lambda name, count=count: _gain(problems, name, count))
        lines.append(
            f"{count:,} labels, plain {plain:.1f} %. Better beyond chance (Holm): "
            f"{_listed(problems, better, count)}. Worse: {_listed(problems, worse, count)}. "
            f"Largest mean: {_listed(problems, [best], count)}."
        )
    for name in ("alike", "apart", "invariant"):
        texts = [
            f"{each.mean:+.1f} ({each.low:+.1f} to {each.high:+.1f})"
            for each in (problems.against(name, count) for count in problems.counts)
        ]
        lines.append(f"{METHODS[name].title}: {', '.join(texts)} points.")
    return lines


def _gain(problems: Problems, name: str, count: int) -> float:
    return problems.against(name, count).mean


def _listed(problems: Problems, names: list[str], count: int) -> str:
    texts = [
        f"{METHODS[name].title.split(':')[0]} {_gain(problems, name, count):+.1f}" for name in names
    ]
    return ", ".join(texts) or "none"


def _table(problems: Problems) -> str:
    corrected, rows = problems.corrected(), []
    for name, entry in METHODS.items():
        means = [problems.mean(name, count) for count in problems.counts]
        rows.append([entry.title, *(f"{m.mean:.1f} ± {m.half:.1f}" for m in means)])
        if name == "plain":
            continue
        cells = []
        for count in problems.counts:
            d = problems.against(name, count)
            p = said(corrected[name, count])
            cells.append(f"{d.mean:+.1f} ({d.low:+.1f} to {d.high:+.1f}), p {p}")
        rows.append(["", *cells])
    return markdown(["term", *(f"{count:,} labels" for count in problems.counts)], rows)


def _weights(problems: Problems) -> str:
    rows = [
        [entry.title, f"{weight:g}"]
        + [f"{problems.mean(name, count, str(weight)).mean:.1f}" for count in problems.counts]
        for name, entry in METHODS.items()
        for weight in entry.weights
        if len(entry.weights) > 1
    ]
    return markdown(["term", "λ", *(f"{count:,} labels" for count in problems.counts)], rows)


def figure(problems: Problems, path: Path) -> None:
    """Paired difference from plain with 95 % intervals, by number of labels."""
    drawn = Figure(figsize=(9, 4), layout="constrained")
    axes = drawn.subplots()
    for place, (name, colour) in enumerate(COLOURS.items()):
        found = [problems.against(name, count) for count in problems.counts]
        x = [i + 0.09 * (place - 3.5) for i in range(len(found))]
        axes.errorbar(
            x, [d.mean for d in found], [d.half for d in found], fmt="o", color=colour,
            label=METHODS[name].title.split(":")[0], capsize=2,
        )  # fmt: skip
    axes.axhline(0, color="#444444", linewidth=1)
    axes.set_xticks(range(len(problems.counts)), [f"{count:,} labels" for count in problems.counts])
    axes.set_ylabel("points more than plain, 95 %")
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize="small", ncols=2)
    drawn.savefig(path, dpi=110)
