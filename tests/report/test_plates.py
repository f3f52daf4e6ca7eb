"""Every figure holds the numbers of the tables; what the tables lack has no figure."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kinsight.analysis.fit import REGIMES
from kinsight.errors import RunFolderError
from kinsight.report import figures, write_report
from kinsight.report.plates.beside import label_agreement, shared_counts
from kinsight.report.plates.classes import least_alone, neighbour_shares
from kinsight.report.plates.explanations import PAIRS, chosen_pairs, heat_of
from kinsight.report.plates.map import MOST_NAMED
from kinsight.report.samples import Samples
from kinsight.run import RunFolder, Subject, analyze
from kinsight.run.claim import FIGURES
from report.tables import NAMES, added, everything, map_table
from run.subjects import COUNT, inputs, subject


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    return everything(tmp_path_factory.mktemp("runs") / "all")


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> RunFolder:
    """Real labels of one output: uncertainty and self-denoising are there."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 40), torch.nn.Tanh(), torch.nn.Linear(40, 1))
    labels = inputs()[:, 0] + 0.1 * inputs()[:, 1]
    labels[3] += 9
    out = tmp_path_factory.mktemp("runs") / "real"
    return analyze(Subject(model.eval(), inputs(), labels), out)


def column(run: RunFolder, name: str) -> np.ndarray:
    return np.array(run.table("samples")[name].to_pylist(), dtype=float)


def offsets(points) -> int:
    return len(np.asarray(points.get_offsets()))


def bars(axes) -> list[float]:
    return [sum(bar.get_height() for bar in group) for group in axes.containers]


def test_a_run_has_the_figures_that_its_numbers_allow(run, real) -> None:
    found = set(figures(run)) | set(figures(real))
    assert found == set(FIGURES)
    assert set(figures(run)) == {
        "map", "classes", "suspects", "explanations", "density", "powers", "fit", "beside",
    }  # fmt: skip
    assert {"uncertainty", "denoising_factor", "shift"} <= set(figures(real))


@pytest.mark.parametrize("name", ["density", "uncertainty", "denoising_factor", "shift"])
def test_histograms_count_every_sample_and_mark_the_median(real: RunFolder, name: str) -> None:
    values = column(real, name)
    values = np.log10(values) if name == "uncertainty" else values
    axes = figures(real)[name].axes[0]
    assert bars(axes) == [np.isfinite(values).sum()]
    assert np.asarray(axes.lines[0].get_xdata())[0] == np.median(values[np.isfinite(values)])


def test_the_noise_gain_stands_in_the_histogram_of_factors(real: RunFolder) -> None:
    line = figures(real)["denoising_factor"].axes[0].lines[1]
    assert np.asarray(line.get_xdata())[0] == real.record["denoising"]["noise_gain"]


def test_powers_show_the_quantiles_of_hard_counts(run: RunFolder) -> None:
    left, right = figures(run)["powers"].axes
    line = left.lines[0]
    assert np.asarray(line.get_xdata()).tolist() == [0.5, 0.7, 0.9]
    assert np.asarray(line.get_ydata()).tolist() == [
        np.median(column(run, f"count_{t:g}")) for t in (0.5, 0.7, 0.9)
    ]
    assert bars(right) == [COUNT]


def test_suspects_are_told_apart_in_the_histogram(run: RunFolder) -> None:
    marked = column(run, "contradicted") == 1
    assert marked.any()
    assert bars(figures(run)["suspects"].axes[0]) == [(~marked).sum(), marked.sum()]


def test_the_map_of_fit_has_every_sample_of_a_regime(run: RunFolder) -> None:
    named = run.table("samples")["fit"].to_pylist()
    drawn = figures(run)["fit"].axes[0].collections
    assert [offsets(d) for d in drawn] == [named.count(name) for name in REGIMES]


@given(st.integers(0, 2**32 - 1))
def test_shares_of_classes_are_those_of_a_slow_count(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, k = int(random.integers(2, 20)), int(random.integers(1, 4))
    labels = [None if random.random() < 0.2 else str(random.integers(0, 12)) for _ in range(count)]
    sample, neighbour = np.repeat(np.arange(count), k), random.integers(0, count, count * k)
    names, shares = neighbour_shares(labels, sample, neighbour)
    assert names == sorted({v for v in labels if v is not None}, key=int)
    for a, first in enumerate(names):
        met = [
            labels[j]
            for i, j in zip(sample, neighbour, strict=True)
            if labels[i] == first and labels[j] is not None
        ]
        for b, second in enumerate(names):
            expected = met.count(second) / len(met) if met else np.nan
            assert np.isclose(shares[a, b], expected, equal_nan=True)


def test_the_classes_shown_are_those_mixed_up_most() -> None:
    shares = np.diag([0.9, 0.2, 1.0, 0.5]) + 0.0
    shares[2] = np.nan
    assert least_alone(shares, 2) == [1, 3]
    assert least_alone(shares, 9) == [0, 1, 2, 3]


def test_the_square_of_classes_says_the_shares_of_neighbours(run: RunFolder) -> None:
    samples = Samples(run)
    _, shares = neighbour_shares(samples.columns["label"], *samples.pairs)
    axes = figures(run)["classes"].axes[0]
    said = [t.get_text() for t in axes.texts]
    assert said == [f"{100 * s:.0f}" for s in shares.reshape(-1) if s >= 0.005]
    assert {t.get_text() for t in axes.get_yticklabels()} == set(NAMES)


def test_the_map_has_every_placed_sample_once_and_rings_around_suspects(run: RunFolder) -> None:
    table = run.table("map").to_pydict()
    place = {(x, y) for x, y in zip(table["x"], table["y"], strict=True) if x is not None}
    *classes, rings = figures(run)["map"].axes[0].collections
    drawn = [tuple(p) for c in classes for p in np.asarray(c.get_offsets())]
    assert len(drawn) == len(set(drawn)) == COUNT - 1
    assert set(drawn) == {(float(x), float(y)) for x, y in place}
    marked = run.table("samples")["contradicted"].to_pylist()
    expected = {(table["x"][i], table["y"][i]) for i in range(COUNT) if marked[i] and i != 9}
    assert {tuple(p) for p in np.asarray(rings.get_offsets())} == expected
    sizes = sorted(offsets(c) for c in classes if offsets(c))
    labels = run.table("samples")["label"].to_pylist()
    labels.pop(9)
    assert sizes == sorted(labels.count(name) for name in set(labels))


def test_a_map_of_many_classes_or_of_numbers_is_drawn(real: RunFolder, tmp_path: Path) -> None:
    place = np.random.default_rng(0).normal(size=(COUNT, 2))
    found = added(real, {"map": map_table(place)}, map={"kind": "umap", "explained": None})
    assert len(figures(found)["map"].axes) == 2  # with the scale of colours
    classes = [str(i % 40) for i in range(COUNT)]
    many = analyze(subject(labels=classes), tmp_path / "many")
    axes = figures(added(many, {"map": map_table(place)}))["map"].axes[0]
    legend = axes.get_legend()
    assert legend is not None
    labels = run_labels(many)
    named = sorted(set(labels), key=lambda c: (-labels.count(c), int(c)))[:MOST_NAMED]
    said = {t.get_text() for t in legend.get_texts()} - {"contradicted label"}
    assert said == set(named)
    assert {t.get_text() for t in axes.texts} <= said
    grey = sum(label not in named for label in labels)
    assert offsets(axes.collections[0]) == grey > 0


def run_labels(run: RunFolder) -> list[str]:
    return run.table("samples")["label"].to_pylist()


@given(st.integers(0, 2**32 - 1))
def test_neighbours_in_common_are_those_of_sets(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, k = 12, 4
    one, other = (
        {i: random.choice(count, k, replace=False) for i in range(count) if random.random() < 0.9}
        for _ in range(2)
    )
    pairs = [
        (np.repeat(list(v), k).astype(int), np.concatenate([*v.values(), []]).astype(int))
        for v in (one, other)
    ]
    expected = [len(set(one[i]) & set(other[i])) for i in range(count) if i in one and i in other]
    assert shared_counts(*pairs).tolist() == expected


def test_other_views_are_counted_as_their_tables_say(run: RunFolder) -> None:
    samples = Samples(run)
    left, right = figures(run)["beside"].axes
    for group, pairs in zip(left.containers, samples.views().values(), strict=True):
        counts = shared_counts(samples.pairs, pairs)
        expected = 100 * np.bincount(counts, minlength=11) / COUNT
        assert np.allclose([bar.get_height() for bar in group], expected)
    labels = samples.columns["label"]
    views = [samples.pairs, *samples.views().values()]
    widths = [bar.get_width() for bar in right.containers[0]]
    slow = [
        np.mean([labels[i] == labels[j] for i, j in zip(*pairs, strict=True)]) for pairs in views
    ]
    assert np.allclose(widths, 100 * np.array(slow))
    assert np.isnan(label_agreement([None, "a"], np.array([0, 1]), np.array([1, 0])))


def test_explained_are_the_most_suspected_with_their_nearest(run: RunFolder) -> None:
    pairs = chosen_pairs(Samples(run))
    ranks = run.table("samples")["suspect_rank"].to_pylist()
    rows = run.table("explanations").to_pylist()
    order = sorted({row["sample"] for row in rows}, key=lambda i: ranks[i])[:PAIRS]
    assert [pair["sample"] for pair in pairs] == order
    for pair in pairs:
        others = [row["similarity"] for row in rows if row["sample"] == pair["sample"]]
        assert pair["similarity"] == max(others)
    panels = figures(run)["explanations"].axes
    assert len(panels) == 3 * PAIRS
    for pair, axes in zip(pairs, panels[2::3], strict=True):
        widths = [bar.get_width() for bar in axes.containers[0]]
        assert np.isclose(sum(widths), sum(s["share"] for s in pair["shares"]), rtol=1e-4)
        assert len(widths) == 7


@pytest.mark.parametrize(
    ("shape", "heat"),
    [([2, 3], [1.0] * 5), ([0], []), ([1, 1, 1], [1.0]), (None, None), ([-1, -1], [1.0])],
)
def test_a_heat_map_of_no_sense_is_left_out(shape, heat) -> None:
    assert heat_of({"heat_shape": shape, "heat": heat}, "") is None


def test_a_heat_map_has_its_shape_and_no_nan() -> None:
    found = heat_of({"heat_shape": [2, 2], "heat": [1.0, float("nan"), 3.0, 4.0]}, "")
    assert found is not None
    assert found.tolist() == [[1.0, 0.0], [3.0, 4.0]]


@pytest.mark.parametrize("wrong", [-1, COUNT])
def test_positions_outside_the_data_are_refused(run: RunFolder, tmp_path: Path, wrong: int) -> None:
    import shutil

    shutil.copytree(run.path, tmp_path / "copy")
    table = pa.table({"sample": [wrong], "x": [0.0], "y": [0.0]})
    damaged = added(RunFolder(tmp_path / "copy"), {"map": table})
    with pytest.raises(RunFolderError, match="expected positions from 0 to 59"):
        write_report(damaged)


def test_every_figure_is_left_as_svg_and_png(run: RunFolder) -> None:
    write_report(run)
    folder = run.path / "figures"
    expected = {f"{name}.{kind}" for name in figures(run) for kind in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == expected
    for path in folder.glob("*.png"):
        assert min(Image.open(io.BytesIO(path.read_bytes())).size) > 200
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_report(run)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
