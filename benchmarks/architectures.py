"""How exact the kernel is on every architecture of the zoo: measures and writes a page.

    python benchmarks/architectures.py

Runs the zoo of tests/architectures against the float64 loop of tests/oracle.py, in float64 and in
float32, and writes docs/architectures.md.
"""

import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT / "tests")  # in place of this folder, whose name for this file is taken

import kinsight as ks  # noqa: E402
import oracle  # noqa: E402
from architectures.parts_common import Entry  # noqa: E402
from architectures.zoo import ZOO  # noqa: E402
from kinsight.tangent.coverage import Coverage  # noqa: E402

PAGE = ROOT / "docs" / "architectures.md"
SAMPLES, OTHERS = 6, 4

INTRODUCTION = """\
# Architectures

Each row is a small network with random weights. The kernel of {n} inputs with {m} others, and of \
the {n} among themselves, was compared with the slow, obvious way: one sample, one output, one \
backward pass of PyTorch in float64 at a time, and the inner products of these gradients written \
out. An error is the largest difference in any inner product, relative to the norms of the two \
gradients that meet in it, √(K(x, x) K(y, y)); where one of them is zero, it is absolute. The \
column float64 is the worst over batches of one, of three and of all inputs, over every pair of \
outputs and over their sum Tr K(x, y). The column float32 is for Tr K(x, y) with network and \
inputs in float32, against the same weights and inputs in float64.

The last column counts parameters by how their gradients are read: by a rule for the operator in \
which they meet the data, named as in PyTorch's graph of autograd, or, **in bold**, one sample at \
a time for want of a rule, which is slower and as exact. The page was written by \
`python benchmarks/architectures.py` with PyTorch {torch}. The networks are those of \
`tests/architectures`, where the tests hold inner products to 1e-10 in float64 and to 1e-5 in \
float32, and similarities, densities and matrices as well. {count} architectures{exceptions}.
"""


def main() -> None:
    """Measure every entry, write the page, print what is remarkable."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = [row(entry) for entry in ZOO.values()]
    raising = sum("| raises |" in line for line in rows)
    introduction = INTRODUCTION.format(
        n=SAMPLES,
        m=OTHERS,
        torch=torch.__version__.split("+")[0],
        count=len(rows),
        exceptions=f", {raising} of which still raise an error" if raising else "",
    )
    head = ["| family | architecture | float64 | float32 | parameters, by operator |"]
    head.append("|---|---|---|---|---|")
    PAGE.write_text("\n".join([introduction, *head, *rows, ""]))
    print(f"{len(rows)} architectures in {PAGE.relative_to(ROOT)}")


def row(entry: Entry) -> str:
    """One line of the table."""
    try:
        double, single, coverage = float64(entry), float32(entry), covered(entry)
    except (IndexError, ks.errors.KinsightError) as error:
        double = single = "raises"
        coverage = type(error).__name__
    return f"| {entry.family} | {entry.name} | {double} | {single} | {coverage} |"


def float64(entry: Entry) -> str:
    """The largest relative error of K(x, y) and Tr K(x, y), whatever the batches."""
    network, x, y = entry.network(), entry.batch(SAMPLES), entry.batch(OTHERS)
    ours, theirs = oracle.jacobian(network, x), oracle.jacobian(network, y)
    worst = 0.0
    for batch_size in (1, 3, None):
        kernel = ks.TangentKernel(network, batch_size=batch_size)
        for data, those in ((y, theirs), (None, ours)):
            for got, want, size in (
                (kernel.inner(x, data), oracle.inner, oracle.norms),
                (kernel.matrix(x, data, normalized=False), oracle.matrix, oracle.row_norms),
            ):
                error = oracle.deviation(got, want(ours, those), size(ours), size(those))
                worst = max(worst, error)
    return written(worst)


def float32(entry: Entry) -> str:
    """The largest relative error of Tr K(x, y) in float32."""
    network = entry.network()
    ours = oracle.jacobian(network, entry.batch(SAMPLES))
    theirs = oracle.jacobian(network, entry.batch(OTHERS))
    kernel = ks.TangentKernel(entry.network(torch.float32))
    got = kernel.inner(entry.batch(SAMPLES, torch.float32), entry.batch(OTHERS, torch.float32))
    want = oracle.inner(ours, theirs)
    return written(oracle.deviation(got, want, oracle.norms(ours), oracle.norms(theirs)))


def written(error: float) -> str:
    """One digit is enough."""
    return f"{error:.0e}" if error else "0"


def covered(entry: Entry) -> str:
    """How many parameters are read by which operators; those without a rule by name."""
    coverage: Coverage = ks.TangentKernel(entry.network()).coverage(entry.batch(SAMPLES))
    counts: Counter[str] = Counter()
    for parameter in coverage:
        if parameter.how == "unused":
            counts["unused, gradient 0"] += 1
            continue
        slow = set(re.findall(r"\w+", parameter.reason)) & set(parameter.operators)
        names = [f"**{name}**" if name in slow else name for name in parameter.operators]
        counts[" + ".join(sorted(names))] += 1
    return ", ".join(f"{count} {operators}" for operators, count in counts.items())


if __name__ == "__main__":
    main()
