"""The page of the GPU's table, from benchmarks/results/gpu.json: python benchmarks/gpu_page.py"""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "gpu.json", ROOT / "docs" / "gpu.md"

AIMS = {
    "features": "1.5 passes", "density": "3 passes", "text": "1.5 passes",
    "cross": "half the matrix rate", "cross-bfloat16": "half the matrix rate",
    "cross-small": "–", "cross-small-bfloat16": "–", "kronfluence": "–",
    "kronfluence-bfloat16": "–",
}  # fmt: skip

TEXT = """\
# On a GPU

Written from `python benchmarks/gpu.py` on one {device}, PyTorch {torch}. ResNet-18 for images of \
32 × 32 pixels (11.2 million parameters), own class against the rest; weights and images are made \
up, which changes no time.{text}

- A *pass* is one forward and backward over the same inputs in batches of 256, in the same \
precision, in the same process.
- *Precision*: `float32` multiplies fully, `tf32` with 10 bits of each factor, which is PyTorch's \
default for the convolutions of a GPU. While a kernel first looks at a network it computes in \
full float32 whatever is set, so that rounding hides nothing; afterwards it follows the setting.
- *Error*: the largest difference from float64 on some inputs, relative to the largest number.
- *Of the matrix rate*: operations of the products of pairs alone, over the whole time, as a share \
of what a product of two matrices of 8,192 × 8,192 random numbers reaches in that precision; \
that is a yardstick and no limit, so it can be passed.
- *Memory*: the peak of what PyTorch allocated.

{table}

{said}

{missing}## What bounds it

The exact kernel in float32 is bound by its products. Everything else is bound by asking for the \
work: a sweep launches some thousands of small kernels a batch, and the processor takes longer to \
ask for them than the GPU to do them (a batch of 512 through ResNet-18 and its per-sample \
gradients: about 57 ms of the processor, 36 ms of the GPU, profiled \
before norms were taken in one call). So batches are larger there than on a \
processor (up to 512, and 256 for sketches), and what was cut to fit a processor's cache is not. \
Sketches add 11 million numbers to their buckets for every image.

## How to repeat it

```console
$ python benchmarks/gpu.py                                   # our jobs, tf32
$ python benchmarks/gpu.py --jobs cross --precisions float32
$ python benchmarks/gpu.py --jobs kronfluence kronfluence-bfloat16   # where it is installed
$ python benchmarks/gpu_page.py                              # this page
```
"""

MISSING = """\
GPT-2 on a million tokens (`--jobs text`) is not measured: with all that comes before it did not \
end within 45 seconds, and was stopped there.

"""


def main() -> None:
    """Write the page."""
    report = json.loads(RESULTS.read_text())
    rows = {(row["name"], row["precision"]): row for row in report["jobs"]}
    words = "" if not any(name == "text" for name, _ in rows) else (
        " GPT-2 has its 124 million parameters, the head tied to the words."
    )  # fmt: skip
    PAGE.write_text(
        TEXT.format(
            device=report["device"],
            torch=report["torch"],
            text=words,
            table=table(report["jobs"]),
            said=said(rows),
            missing="" if words else MISSING,
        )
    )


def table(jobs: list[dict]) -> str:
    """A line for each job."""
    order = list(AIMS)
    lines = ["| job | precision | seconds | passes | aim | of the matrix rate | error | memory |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in sorted(jobs, key=lambda row: order.index(row["name"])):
        share = f"{row['of_matrix_rate']:.0%}" if "of_matrix_rate" in row else "–"
        error = f"{row['error']:.0e}" if "error" in row else "–"
        lines.append(
            f"| {row['job']} | {row['precision']} | {row['seconds']:.1f} | {row['passes']:.1f} | "
            f"{AIMS[row['name']]} | {share} | {error} | {row['memory'] / 2**30:.1f} GiB |"
        )
    return "\n".join(lines)


def said(rows: dict[tuple[str, str], dict]) -> str:
    """Against the package that is fastest at it, where both were measured."""
    parts = []
    for ours, theirs, words in (
        ("cross-small", "kronfluence", "in float32"),
        ("cross-small-bfloat16", "kronfluence-bfloat16", "in bfloat16"),
    ):
        if (ours, "tf32") in rows and (theirs, "tf32") in rows:
            ratio = rows[theirs, "tf32"]["seconds"] / rows[ours, "tf32"]["seconds"]
            parts.append(f"{ratio:.1f} times as long {words}")
    if not parts:
        return ""
    return (
        "kronfluence (strategy `identity`, queries in batches of 1,000, samples of 200; it leaves "
        "out the parameters of batch norm) takes " + " and ".join(parts) + "."
    )


if __name__ == "__main__":
    main()
