"""The page of similarity_training.py, every sentence made from the runs."""

from pathlib import Path

from pages import markdown
from paired import holm, said
from resumable import minutes, relative
from similarity_training_arms import GROUPS, LOOKS
from similarity_training_numbers import TITLES, Runs, figure

PAGE = """\
# Does a term on gradient similarity speed up training, and with which sign?

Charpiat et al. (2019) add a term that should make the gradients of two pictures of a class alike, \
−λ k_C, and report a faster start on MNIST: 46.2 → 55.1 % after 40 steps. Their released code adds \
+λ k_C, which drives the gradients apart. Here both signs run, paired: each seed fixes the \
initialisation, the pairs, and the validation pictures of all arms.

![Validation accuracy by step, and paired differences from plain training]({image})

## In short

{conclusions}

## Accuracy

Data: {data}. Validation accuracy in percent, mean over seeds ± half the 95 % interval of \
Student's t; below it the paired difference from plain training, with its interval and p of the \
paired t-test, corrected by Holm over all arms and steps of the table. Intervals are not \
corrected. {wilcoxon}

{tables}
## What the term does

Mean k_C of own class against the rest on {probes} test pictures, pairs of the same class and of \
different classes, and validation cross-entropy, at the step given:

{looks}
{meaning}

## What a step costs

Processor time of one training step in plain steps with as many pairs; steps of all arms in turn, \
median of {rounds} rounds:

{costs}

## What was done

- Network: convolution 5×5 (32), PReLU, mean pooling 2, convolution 5×5 (64), PReLU, mean pooling \
2, linear 256, PReLU, linear 10: 317,069 parameters. Adam, 1e-3.
- A step: a class is drawn, then two of its training pictures (several such pairs for the larger \
batches); cross-entropy of all pictures, plus the term. k_C is of the gradients of z_y − mean of \
the other logits (mask +1 and −1/(C−1) on log-probabilities is the same): \
`ks.losses.SimilarityLoss(model, sign=…, weight=…, output=ks.outputs.OwnClass("batch"))`.
- *Mean over pairs*: every pair's own k_C. *Mean gradients*: one k_C a step, of the mean gradient \
of the first pictures with that of the second; the original's form for batches.
- *Moved at random*: rotations within ±15° and shifts within ±2 pixels, in place of the pictures; \
*copies besides*: the pictures and a moved copy of each. *Three pairs a step*: more pictures \
in place of the term. With sixteen pairs, training ends at step {last_sixteen}.
- Validation: {validation} test pictures, drawn by the seed. λ, the learning rate and the steps \
are those of the original or given in advance; none was tuned, for no arm.
- Runs: {counts}.
{less}
## To repeat it

```console
$ pip install -c constraints.txt -e '.[experiments]'
$ python experiments/similarity_training.py                       # digits, three minutes
$ python experiments/similarity_training.py --data FOLDER --full  # {minutes} minutes of one core
```

FOLDER holds `mnist/`. The quick run has {quick} seeds of the main arms and writes into runs/. An \
interrupted run goes on where it was. Measured on {processor}, threads: {threads}, PyTorch \
{torch}, Python {python}, on a machine shared with other work. Numbers: \
[similarity_training.json]({results}).
"""


def write_page(report: dict, page: Path, image: Path, results: Path) -> str:
    """Write the figure and the page; the conclusions come back."""
    runs = Runs(report)
    figure(runs, image)
    short = "\n".join(f"- {line}" for line in conclusions(runs))
    text = PAGE.format(
        **report["environment"],
        image=relative(image, page),
        results=relative(results, page),
        conclusions=short,
        data={"mnist": "MNIST", "digits": "scikit-learn's digits"}[report["sizes"]["data"]],
        tables="".join(_table(runs, group) for group in GROUPS if runs.arms(group)),
        wilcoxon=_wilcoxon(runs),
        last_sixteen=report["sizes"]["last_sixteen"],
        probes=report["probes"],
        looks="".join(_looks(runs, group) for group in GROUPS if runs.arms(group)),
        meaning=_meaning(runs),
        rounds=report["sizes"]["rounds"],
        costs=_costs(report["costs"]),
        validation=f"{report['sizes']['validation']:,}",
        counts=_counts(runs),
        less=_less(runs),
        minutes=minutes(report),
        quick=report["quick"],
    )
    page.write_text(text)
    return short


def conclusions(runs: Runs) -> list[str]:
    """What the numbers say of the signs, each sentence made from them."""
    lines = []
    for group in GROUPS:
        arms, corrected = runs.arms(group), runs.corrected(group)
        step = 40 if 40 in runs.shown(group) else runs.shown(group)[-1]
        pairs = "One pair" if group == "one" else "Sixteen pairs"
        for arm in (each for each in arms if each.startswith(("apart 1", "alike 1"))):
            found, p = runs.against(group, arm, step), corrected[arm, step]
            plain = runs.mean(group, "plain", "accuracy", step).mean
            lines.append(
                f"{pairs} a step, {TITLES[arm]}: {found.mean:+.1f} points at step {step} "
                f"({found.low:+.1f} to {found.high:+.1f}, {found.count} seeds, p {said(p)}), "
                f"plain {plain:.1f} %: {_word(found.mean, p)}."
            )
    lines += _in_the_end(runs) + _for_the_cost(runs)
    return lines


def _word(value: float, p: float) -> str:
    if p >= 0.05:
        return "no difference that these runs can tell"
    return "faster" if value > 0 else "slower"


def _in_the_end(runs: Runs) -> list[str]:
    last = runs.shown("one")[-1]
    if last == 40:
        return []
    corrected = runs.corrected("one")
    said_of = [
        f"{TITLES[arm]} {runs.against('one', arm, last).mean:+.1f} (p {said(corrected[arm, last])})"
        for arm in ("apart 1", "alike 1")
    ]
    return [f"One pair a step, at step {last}: {', '.join(said_of)} points."]


def _for_the_cost(runs: Runs) -> list[str]:
    if not {"three pairs", "apart 1"} <= set(runs.arms("one")):
        return []
    both = runs.against("one", "apart 1", 40, "three pairs")
    cost = {arm: runs.costs["one"][arm] for arm in ("apart 1", "three pairs")}
    return [
        f"+1 k_C, a step of {cost['apart 1']} plain steps, against three pairs a step without a "
        f"term, {cost['three pairs']} plain steps: {both.mean:+.1f} points ({both.low:+.1f} to "
        f"{both.high:+.1f}, {both.count} seeds) at step 40."
    ]


def _meaning(runs: Runs) -> str:
    """Which sign does what to similarity, and what follows for the claim."""
    step = LOOKS[0]
    apart, alike = (runs.against("one", arm, step, key="same") for arm in ("apart 1", "alike 1"))
    signs = (
        "The terms do what their signs say"
        if apart.mean < 0 < alike.mean
        else "The terms do not do what their signs say"
    )
    text = (
        f"{signs}: k_C within a class {apart.mean:+.2f} with +1 k_C and {alike.mean:+.2f} with "
        f"−1 k_C at step {step}, one pair a step. "
    )
    fast, slow = (runs.against("one", arm, step) for arm in ("apart 1", "alike 1"))
    if fast.low > 0 and slow.high < 0:
        text += (
            "So the published speed-up is that of the code, not of the text: driving the gradients "
            "of two pictures of a class apart speeds up the first steps, and making them alike "
            "slows them down. The gain is no evidence that enforced similarity helps training. Why "
            "less similarity helps is not measured here. One reading: a step on two pictures whose "
            "gradients point the same way teaches one thing twice."
        )
    elif slow.low > 0:
        text += "Making gradients of a class alike speeds up training, as the paper's text says."
    else:
        text += "With these runs the two signs cannot both be told from plain training."
    return text


def _table(runs: Runs, group: str) -> str:
    shown, corrected = runs.shown(group), runs.corrected(group)
    rows = []
    for arm in runs.arms(group):
        means = [runs.mean(group, arm, "accuracy", step) for step in shown]
        rows.append(
            [TITLES[arm], str(means[0].count), *(f"{m.mean:.1f} ± {m.half:.1f}" for m in means)]
        )
        if arm == "plain":
            continue
        cells = []
        for step in shown:
            d = runs.against(group, arm, step)
            p = said(corrected[arm, step])
            cells.append(f"{d.mean:+.1f} ({d.low:+.1f} to {d.high:+.1f}), p {p}")
        rows.append(["", "", *cells])
    pairs = "One pair" if group == "one" else "Sixteen pairs"
    head = ["arm", "seeds", *(f"step {step}" for step in shown)]
    return f"**{pairs} a step**\n\n{markdown(head, rows)}\n"


def _wilcoxon(runs: Runs) -> str:
    """Does the test by ranks, corrected in the same way, say the same?"""
    same = total = 0
    for group in GROUPS:
        corrected = runs.corrected(group)
        ranked = holm([runs.against(group, *key).wilcoxon for key in corrected])
        total += len(ranked)
        verdicts = zip(corrected.values(), ranked, strict=True)
        same += sum((t < 0.05) == (w < 0.05) for t, w in verdicts)
    return (
        f"Wilcoxon's test, corrected in the same way, is on the same side of 5 % in {same} of "
        f"{total} cells; with fewer than six seeds no test by ranks can be below."
    )


def _looks(runs: Runs, group: str) -> str:
    rows = []
    looks = [step for step in LOOKS if step in runs.steps(group)]
    for arm in runs.arms(group):
        cells = []
        for step in looks:
            same, other, loss = (
                runs.mean(group, arm, key, step) for key in ("same", "other", "loss")
            )
            cells += [f"{same.mean:.2f} ± {same.half:.2f}", f"{other.mean:.2f} ± {other.half:.2f}"]
            cells += [f"{loss.mean:.2f} ± {loss.half:.2f}"]
        rows.append([TITLES[arm], *cells])
    head = ["arm"]
    for step in looks:
        head += [f"same class, {step}", f"others, {step}", f"loss, {step}"]
    pairs = "One pair" if group == "one" else "Sixteen pairs"
    return f"{pairs} a step:\n\n{markdown(head, rows)}\n"


def _costs(costs: dict) -> str:
    rows = [
        [TITLES[arm], "one" if group == "one" else "sixteen", f"{value:.1f}"]
        for group, arms in costs.items()
        for arm, value in arms.items()
    ]
    return markdown(["arm", "pairs a step", "plain steps"], rows)


def _counts(runs: Runs) -> str:
    texts = []
    for group in GROUPS:
        by_count: dict[int, list[str]] = {}
        for arm in runs.arms(group):
            by_count.setdefault(len(runs.found[group, arm]), []).append(TITLES[arm])
        pairs = "one pair" if group == "one" else "sixteen pairs"
        texts += [f"{pairs} a step, {n} seeds: {', '.join(arms)}" for n, arms in by_count.items()]
    return "; ".join(texts)


def _less(runs: Runs) -> str:
    """Say which arms have fewer seeds than intended."""
    short = [
        f"{TITLES[arm]} ({'one pair' if group == 'one' else 'sixteen pairs'})"
        for group in GROUPS
        for arm in runs.arms(group)
        if len(runs.found[group, arm]) < runs.sizes[group]
    ]
    if not short:
        return ""
    return (
        f"- Fewer seeds than intended, for want of processor time: {', '.join(short)}. Their "
        "differences from plain are taken over the seeds that both have, their means are of other "
        "seeds than those of plain; read the differences. The same command adds the rest.\n"
    )
