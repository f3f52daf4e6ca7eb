"""What a report shows and says follows from the tables, not from the page."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kinsight.errors import RunFolderError
from kinsight.report import choice, write_report
from kinsight.report.samples import Samples, clean
from kinsight.report.summary import classes_table, counted, findings
from kinsight.run import RunFolder, Settings, Subject, analyze
from run.subjects import COUNT, inputs, network, subject


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    with torch.no_grad():
        labels = network()(inputs()).argmax(1)
    planted = {i: int(labels[i]) for i in (5, 17)}
    labels[[5, 17]] = (labels[[5, 17]] + 1) % 3
    out = tmp_path_factory.mktemp("runs") / "one"
    return analyze(subject(labels=labels, planted=planted), out)


def test_typical_samples_come_from_every_class(run: RunFolder) -> None:
    samples = Samples(run)
    labels = samples.columns["label"]
    chosen = choice.typical(samples)
    assert {labels[i] for i in chosen} == set(labels)
    sound = {labels[i] for i in range(COUNT) if not choice.contradicted(samples, i)}
    assert all(choice.contradicted(samples, i) == (labels[i] not in sound) for i in chosen)


def test_the_crowded_and_the_lonely_are_the_ends_of_the_density(run: RunFolder) -> None:
    samples = Samples(run)
    order = np.argsort(samples.density)
    assert set(choice.lonely(samples)) == set(order[: choice.EXTREMES].tolist())
    assert set(choice.crowded(samples)) == set(order[-choice.EXTREMES :].tolist())


def test_the_sentences_count_what_the_tables_hold(run: RunFolder) -> None:
    samples = Samples(run)
    suspects = choice.suspected(samples)
    right = samples.columns["planted_label"]
    among_first = sum(right[i] is not None for i in suspects[:2])
    said = " ".join(findings(run))
    assert f"The 2 most suspected labels hold {among_first} of them" in said
    wrong = [i for i in suspects if choice.contradicted(samples, i)]
    assert f"contradict {len(wrong)} of {COUNT} labels" in said
    assert counted(float(np.median(samples.density))) in said
    rows = classes_table(samples, wrong)
    assert sum(row["samples"] for row in rows) == COUNT
    assert sum(row["contradicted"] for row in rows) == len(wrong)


def test_without_labels_or_with_one_set_apart_the_page_says_so(tmp_path: Path) -> None:
    x = inputs()
    x[7, 0] = torch.inf
    with pytest.warns(match="set apart"):
        run = analyze(Subject(network(), x), tmp_path)
    said = " ".join(findings(run))
    assert "1 sample has a gradient that is not finite and was set apart: 7." in said
    assert "no gradient at all" not in said  # it is not known to have none
    assert "labels" not in said
    page = write_report(run).read_text()
    assert "the data came without labels" in page
    assert "contradict" not in page


def test_what_has_no_gradient_is_counted_in_good_grammar(tmp_path: Path) -> None:
    x = inputs()
    for count in (1, 2):
        x[:count] = 0
        still = Subject(torch.nn.Linear(6, 1, bias=False), x.clone())
        with pytest.warns(match="no gradient"):
            run = analyze(still, tmp_path / str(count))
        said = " ".join(findings(run))
        expected = "1 sample has no gradient" if count == 1 else "2 samples have no gradient"
        assert expected in said
        assert "set apart" not in said


def test_an_unfinished_run_has_no_report(run: RunFolder, tmp_path: Path) -> None:
    text = (run.path / "run.json").read_text().replace('"finished"', '"running"', 1)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match="stopped before its end"):
        write_report(RunFolder(tmp_path))


def test_every_density_the_same_still_gives_a_figure(tmp_path: Path) -> None:
    run = analyze(
        Subject(torch.nn.Linear(3, 1, bias=False), torch.ones(5, 3)), tmp_path, Settings()
    )
    assert "<svg" in write_report(run).read_text()


def test_text_loses_what_could_rewrite_its_surroundings() -> None:
    assert clean("a\u202eb\nc\u0000d\u200f") == "a b c d"
    assert clean("x" * 100, 10) == "x" * 9 + "…"
    assert counted(-32.84) == "−32.8"
    assert counted(1234.5) == "1,234"
