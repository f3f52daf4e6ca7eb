"""What a report tells in words and rows: facts, assumptions, suspects, rows and waveforms."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kinsight.report import assumed, choice, doubted, facts, write_report
from kinsight.report.rows import HEIGHT, WIDTH, Rows, wave_path
from kinsight.report.samples import Samples
from kinsight.report.summary import own_share
from kinsight.run import RunFolder, Subject, analyze
from report.tables import added
from run.subjects import COUNT, inputs, network, subject


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    with torch.no_grad():
        labels = network()(inputs()).argmax(1)
    labels[[5, 17]] = (labels[[5, 17]] + 1) % 3
    labels[40] = -1
    given = subject(labels=labels, columns={"age": list(range(COUNT))})
    return analyze(given, tmp_path_factory.mktemp("runs") / "one")


def test_the_network_and_the_data_are_told(run: RunFolder) -> None:
    samples = Samples(run)
    network_facts = dict(facts.network(run.record, samples))
    assert network_facts["network"].startswith("Sequential, ")
    assert "Addmm (4)" in network_facts["its operators"]
    told = dict(facts.data(run.record, samples))
    sizes = [samples.columns["label"].count(c) for c in "012"]
    assert f"3 classes, from {min(sizes)} samples" in told["labels"]
    assert "1 missing" in told["labels"]
    assert told["own columns"] == "age"


def test_the_share_of_right_answers_is_that_of_the_columns(run: RunFolder) -> None:
    table = run.table("samples").to_pydict()
    right = [a == b for a, b in zip(table["label"], table["predicted"], strict=True) if a]
    assert own_share(Samples(run)) == sum(right) / len(right) == 57 / 59


def test_rows_of_suspects_hold_the_numbers_of_the_tables(run: RunFolder) -> None:
    samples = Samples(run)
    table, near = run.table("samples").to_pydict(), run.table("neighbours").to_pydict()
    order = choice.suspected(samples)
    rows = doubted.rows(samples, order)
    assert [row.place for row in rows] == list(range(1, len(order) + 1))
    for row, i in zip(rows, order, strict=True):
        mine = [n for s, n in zip(near["sample"], near["neighbour"], strict=True) if s == i]
        labels = [table["label"][n] for n in mine if table["label"][n] is not None]
        assert row.score == table["suspect_score"][i]
        assert row.support == table["proposed_support"][i]
        assert row.fit == table["fit"][i]
        assert row.density == table["density"][i]
        assert row.with_label == labels.count(table["label"][i]) / len(labels)
        assert row.with_proposed == labels.count(table["proposed_label"][i]) / len(labels)
    assert len(doubted.rows(samples, order * 3)) == doubted.MOST


def test_assumptions_failures_and_gaps_are_listed_worst_first(tmp_path: Path) -> None:
    x = inputs()
    x[7, 0] = torch.inf
    model = network()
    model.get_parameter("0.bias").requires_grad_(False)
    with pytest.warns(match="set apart"):
        run = analyze(Subject(model, x), tmp_path)
    found = assumed.items(Samples(run))
    states = [item.state for item in found]
    assert states == sorted(states, key=["failed", "warning", "assumed", "left out", "holds"].index)
    failed = [item.says for item in found if item.state == "failed"]
    assert failed == [
        "A gradient that is not finite, so set apart and compared with nothing: 1 of 60 samples "
        "(7)."
    ]
    said = " ".join(item.says for item in found if item.state == "left out")
    for expected in ("frozen: 0.bias.", "without labels", "Explanations: "):
        assert expected in said


def test_the_assumptions_of_denoising_are_listed_as_the_record_has_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 20), torch.nn.Tanh(), torch.nn.Linear(20, 1))
    run = analyze(Subject(model.eval(), inputs(), inputs()[:, 0]), tmp_path)
    told = run.record["denoising"]["assumptions"]
    assert told
    found = [i for i in assumed.items(Samples(run)) if i.says.startswith("Self-denoising needs")]
    for given_ in told:
        state = "holds" if given_["holds"] else "failed"
        assert any(item.state == state and given_["name"] in item.says for item in found)


def signals(values: list[list[list[float]]]) -> pa.Table:
    kind = pa.list_(pa.list_(pa.float32()))
    return pa.table({"sample": range(len(values)), "channels": pa.array(values, kind)})


def test_waveforms_are_drawn_as_lines(tmp_path: Path) -> None:
    run = analyze(subject(), tmp_path)
    waves = np.random.default_rng(0).normal(size=(COUNT, 2, 512)).tolist()
    told = {"length": 4000, "channels": 2, "pieces": 256}
    page = write_report(added(run, {"signals": signals(waves)}, signals=told)).read_text()
    assert "waveforms of 2 × 4000 numbers" in page
    assert f'viewBox="0 0 {WIDTH} {2 * HEIGHT}"' in page
    assert page.count('class="wave"') > 100


@given(st.lists(st.lists(st.floats(-1e3, 1e3), max_size=600), min_size=1, max_size=6))
def test_a_line_stays_in_its_box_and_keeps_its_ends(channels: list[list[float]]) -> None:
    path, count = wave_path(channels)
    assert count == min(4, len(channels))
    for i, line in enumerate(path[1:].split("M")):
        points = np.array([[float(v) for v in point.split()] for point in line.split("L")])
        assert len(points) <= 128
        assert points[:, 0].min() >= 0
        assert points[:, 0].max() <= WIDTH
        assert points[:, 1].min() >= i * HEIGHT
        assert points[:, 1].max() <= (i + 1) * HEIGHT
        values = channels[i]
        if len(set(values)) > 1 and max(values) - min(values) > 1e-6:
            assert np.isclose(points[:, 1].min(), i * HEIGHT + 2)  # the largest value
            assert np.isclose(points[:, 1].max(), (i + 1) * HEIGHT - 2)


def test_rows_of_a_table_show_what_is_unusual_about_them(tmp_path: Path) -> None:
    run = analyze(subject(), tmp_path)
    values = np.random.default_rng(0).normal(size=(COUNT, 12))
    values[3, [2, 7]] = 50, -60
    table = pa.table({"sample": range(COUNT), "values": pa.array(values.tolist())})
    names = ["<b>age</b>", *(f"f{i}" for i in range(1, 12))]
    run = added(run, {"inputs": table}, features=names)
    rows = Rows(run)
    assert {2, 7} <= set(rows.unusual(3))
    entries = dict(rows.entries(3, rows.unusual(3)))
    assert entries["f2"] == "50"
    assert entries["f7"] == "−60"
    samples = Samples(run)
    card = samples.card(3, 4)
    assert [name for name, _ in card.neighbours[0].sample.entries] == list(entries)
    page = write_report(run).read_text()
    assert "<b>age" not in page
    assert "rows of 12 numbers: &lt;b&gt;age" in page
