"""The page of the experiment with planted label noise: tables, figure, conclusions.

Everything on the page is made from the measured cells; each sentence is checked against them.
"""

import os
import statistics
from itertools import product
from pathlib import Path

from label_noise_numbers import ARMS, Cells, figure, noise_name, table
from label_scores import MEASURES, METHODS, OURS, RIVALS, VARIANTS

PAGE = """\
# Which scores find planted label noise?

Written by `python experiments/label_noise.py --data FOLDER` from what it measured, on \
{processor}, threads: {threads}, PyTorch {torch}, Python {python}, cleanlab {cleanlab}. \
Processor time: {minutes} min. Seeds {seeds}. Numbers: \
[label_noise.json](../../experiments/results/label_noise.json).

![Average precision of five methods in three settings, by kind of noise]({image})

## In short

{conclusions}

{summary}
Mean over {noises} kinds of noise; ± is the standard deviation over the seeds. Best in bold.

## What was done

- Labels of some pictures are replaced by another class: 10 % or 20 % of them, by any class \
(*symmetric*) or by the class that looks most like it (*class-dependent*: cat→dog, \
shirt→T-shirt). A method gives every sample a suspicion; the replaced ones should come first.
- *Small network*: {samples:,} training images in two halves. A network with three convolutions is \
trained on the noisy labels of one half, {epochs} epochs, and scores the other half, so that no \
score is of a sample that the network was trained on. Accuracy on true labels of the other half: \
{accuracy}.
- *ResNet-20*: [trained by others](https://github.com/akamaster/pytorch_resnet_cifar10) on clean \
labels; noise is planted in the labels of {test:,} test images. \
Accuracy on their true labels: {accuracy_resnet}.
- The neighbours and the leave-one-out answers use the noisy labels of the half that is scored. \
The confidence cannot use them: it has the training half only. Part of the gain comes from these \
labels, and not from the kernel; the row with the last hidden layer shows how much.
- *AUROC*: chance that a wrong label is suspected more than a right one. *Average precision*: \
area under precision against recall. *Precision at the noise rate*: share of wrong labels among \
as many first suspects as there are wrong labels.
- `self_confidence` orders samples as 1 − p_y does; it is shown because it is cleanlab's default.

## The recipe

1. K = Tr K(x, x′) of the samples: `ks.TangentKernel(model, output=ks.outputs.Probes(count=3), \
normalization=None).inner(x)`.
2. l = leave-one-out answer of ridge regression with K on centred one-hot labels, the ridge of \
least squared leave-one-out error: `ks.Spectrum.of_gram(K.double(), centred=True)`, \
`ks.smoothing.choose_ridge`, `ks.smoothing.leave_one_out`.
3. a = max(0, 0.4 l + 0.6 softmax(z / 3)) with the network's class scores z.
4. suspicion = (r − a_y) / (r + a_y + 0.6) with r = max_(c≠y) a_c.

All choices (output function, ridge, weight 0.4, temperature 3, constant 0.6) were made on \
Fashion-MNIST, with other seeds than those below and with a network trained on clean labels, too; \
nothing was changed after CIFAR-10 was first scored. \
Read the CIFAR-10 numbers, not those of Fashion-MNIST. What single choices are worth there, \
Fashion-MNIST, mean over the kinds of noise:

{variants}
{details}
## In sample

Samples on which the network itself was trained, with their noisy labels (20 % noise):

{seen}
{seen_conclusion}

## To repeat it

```console
$ pip install -c constraints.txt -e '.[experiments]'
$ python experiments/label_noise.py --data FOLDER          # {minutes} minutes of one core
$ python experiments/label_noise.py --data FOLDER --quick  # about a minute, rough, into runs/
```

FOLDER holds `cifar10/`, `fashion_mnist/` and `pretrained/`. An interrupted run goes on where it \
was. With the same seeds on the same kind of processor the numbers above should return; \
elsewhere rounding changes the training, and they should agree within the ± given.
"""


def write_page(report: dict, page: Path, image: Path) -> str:
    """Write the figure and the page; the summary comes back."""
    cells = Cells(report["cells"])
    figure(cells, image)
    summary = "".join(
        f"**{title}**\n\n{_means(cells, arm, METHODS)}\n" for arm, title in ARMS.items()
    )
    seconds = sum(cell["seconds"] for cell in report["cells"].values())
    text = PAGE.format(
        **report["environment"],
        **{name: report["sizes"][name] for name in ("samples", "epochs", "test")},
        minutes=max(1, round(seconds / 60)),
        seeds=", ".join(map(str, report["sizes"]["seeds"])),
        image=Path(os.path.relpath(image, page.parent)).as_posix(),
        conclusions=_listed(conclusions(cells)),
        noises=len(cells.noises),
        summary=summary,
        accuracy=", ".join(_accuracy(cells, arm) for arm in ("fashion_mnist", "cifar10")),
        accuracy_resnet=f"{100 * cells.accuracies('resnet20')[0]:.1f} %",
        variants=_means(cells, "fashion_mnist", VARIANTS),
        details=_details(cells),
        seen="".join(
            f"**{ARMS[arm]}**\n\n{_means(cells, arm, METHODS, 'seen')}\n"
            for arm in ("fashion_mnist", "cifar10")
        ),
        seen_conclusion=_listed(_first_places(cells, "seen", ("fashion_mnist", "cifar10"))),
    )
    page.write_text(text)
    return summary


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _accuracy(cells: Cells, arm: str) -> str:
    found = cells.accuracies(arm)
    return f"{100 * min(found):.0f} to {100 * max(found):.0f} % ({ARMS[arm].split(',')[0]})"


def _means(cells: Cells, arm: str, names: dict[str, str], where: str = "unseen") -> str:
    return table(
        {
            measure: {name: cells.mean_noise(arm, name, measure, where) for name in names}
            for measure in MEASURES
        },
        names,
    )


def _details(cells: Cells) -> str:
    """Every kind of noise of every setting, one table a measure."""
    parts = ["## Every number\n"]
    for arm, title in ARMS.items():
        for measure in MEASURES:
            columns = {
                noise_name(noise): {
                    name: cells.over_seeds(arm, noise, name, measure, "unseen") for name in METHODS
                }
                for noise in cells.noises
            }
            parts.append(f"{title}: {measure}\n\n{table(columns, METHODS)}")
    return "\n".join(parts)


def conclusions(cells: Cells) -> list[str]:
    """What the numbers say, each sentence made from them."""
    ours = {arm: _mean(cells, arm, OURS) for arm in ARMS}
    lines = _first_places(cells, "unseen", tuple(ARMS))
    for arm, title in ARMS.items():
        rival = max(RIVALS, key=lambda name: _mean(cells, arm, name))
        lines.append(
            f"{title}: mean average precision {ours[arm]:.3f}, best other method "
            f"{_mean(cells, arm, rival):.3f} ({METHODS[rival]})."
        )
    gains = [ours[arm] - _mean(cells, arm, "hidden_mixed") for arm in ARMS]
    lines.append(
        "The same recipe on the last hidden layer: the tangent kernel's average precision is "
        f"higher in {sum(g > 0 for g in gains)} of {len(gains)} settings "
        f"({', '.join(f'{gain:+.3f}' for gain in gains)})."
    )
    votes = [_mean(cells, a, "tangent_alone") - _mean(cells, a, "tangent_neighbours") for a in ARMS]
    lines.append(
        "The same kernel, leave-one-out ridge in place of neighbours' votes: "
        f"{', '.join(f'{gain:+.3f}' for gain in votes)} in average precision."
    )
    own = all(_leads(cells, arm) for arm in ("fashion_mnist", "cifar10"))
    if own and not _leads(cells, "resnet20"):
        lines.append(
            "So: where the network had to learn from the noisy labels, ask the rest of the data, "
            "too. A good network that was trained on clean labels needs no help: its own "
            "confidence is the better score."
        )
    return lines


def _leads(cells: Cells, arm: str) -> bool:
    """The recipe is first on the mean over the kinds of noise, in every measure."""
    return all(
        _mean(cells, arm, OURS, measure) > max(_mean(cells, arm, name, measure) for name in RIVALS)
        for measure in MEASURES
    )


def _mean(cells: Cells, arm: str, name: str, measure: str = "average precision") -> float:
    return statistics.mean(cells.mean_noise(arm, name, measure))


def _first_places(cells: Cells, where: str, arms: tuple[str, ...]) -> list[str]:
    """Sentences: in how many columns the recipe is before every other method, and the worst."""
    noises = [noise for noise in cells.noises if where == "unseen" or noise[1] == cells.rates[-1]]
    lines = []
    for arm in arms:
        leads = {}
        for noise, measure in product(noises, MEASURES):
            mean = {
                name: statistics.mean(cells.over_seeds(arm, noise, name, measure, where))
                for name in (OURS, *RIVALS)
            }
            best = max(RIVALS, key=mean.__getitem__)
            text = f"{noise_name(noise)}, {measure}: {mean[OURS]:.3f} against {mean[best]:.3f}"
            leads[f"{text} ({METHODS[best]})"] = mean[OURS] - mean[best]
        won = sum(lead > 0 for lead in leads.values())
        line = f"{ARMS[arm]}: the recipe is before all five other methods in {won} of {len(leads)} "
        line += "columns (kinds of noise × measures)."
        if won < len(leads):
            line += f" Furthest behind: {min(leads, key=leads.__getitem__)}."
        lines.append(line)
    return lines
