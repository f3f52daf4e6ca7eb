"""The figures of a look against formulas written out in float64, sample by sample."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import kinsight as ks
from kinsight.analysis.targets import read_targets
from kinsight.training.drift import drift
from kinsight.training.look import Streaks, add_drift, look_at, similarity_of
from oracle import inner, jacobian
from training.cases import COUNT, data, monitor, network, train


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Looks at a network in training, and what plain autograd says at the first and the last."""
    model, grams = network().double(), []
    x, labels = data()

    def whole() -> None:
        rows = jacobian(model.eval(), x.double())
        model.train()
        grams.append(inner(rows, rows))

    whole()
    watched = monitor(model, tmp_path_factory.mktemp("looks") / "m", (x, labels), every=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(3):
        torch.nn.functional.cross_entropy(model(x.double()), labels).backward()
        optimizer.step()
        watched.step()
        whole()
    return watched, grams


def row(seen, look: int) -> dict:
    return seen[0].table().to_pylist()[look]


def test_drift_is_that_of_plain_autograd(seen) -> None:
    grams = [gram.numpy() for gram in seen[1]]
    centre = np.eye(COUNT) - 1 / COUNT
    for name, before in (("start", grams[0]), ("last", grams[-2])):
        now = grams[-1]
        found = row(seen, -1)
        change = np.linalg.norm(now - before) / np.linalg.norm(before)
        cosine = (now * before).sum() / np.linalg.norm(now) / np.linalg.norm(before)
        a, b = centre @ now @ centre, centre @ before @ centre
        cka = (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)
        assert found[f"change_since_{name}"] == pytest.approx(change, rel=1e-5)
        assert found[f"alignment_since_{name}"] == pytest.approx(cosine, rel=1e-5)
        assert found[f"cka_since_{name}"] == pytest.approx(cka, rel=1e-5)
        assert change > 0.01
    assert row(seen, 0)["change_since_start"] is None


def test_spectrum_density_and_classes_by_the_formulas(seen) -> None:
    gram, found = seen[1][-1].numpy(), row(seen, -1)
    values = np.linalg.eigvalsh(gram)[::-1]
    share = values[values > 1e-6 * values[0]] / values.sum()
    assert found["effective_rank"] == pytest.approx(
        np.exp(-(share * np.log(share)).sum()), rel=1e-3
    )
    np.testing.assert_allclose(found["eigenvalues"], values[:10], rtol=1e-4)
    assert found["trace"] == pytest.approx(values.sum(), rel=1e-5)
    k = gram / np.sqrt(np.outer(gram.diagonal(), gram.diagonal()))
    density = k.sum(1)
    assert found["density_mean"] == pytest.approx(density.mean(), rel=1e-5)
    assert found["density_q10"] == pytest.approx(np.quantile(density, 0.1), rel=1e-5)
    assert found["close_median"] == pytest.approx(
        np.median((np.maximum(k, 0) ** 4).sum(1)), rel=1e-5
    )
    labels = data()[1].numpy()
    same = labels[:, None] == labels
    assert found["similarity_between"] == pytest.approx(k[~same].mean(), abs=1e-6)
    np.fill_diagonal(same, False)
    assert found["similarity_within"] == pytest.approx(k[same].mean(), abs=1e-6)
    hot = np.eye(3)[labels] - np.eye(3)[labels].mean(0)
    centre = np.eye(COUNT) - 1 / COUNT
    a, b = centre @ k @ centre, hot @ hot.T
    cka = (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)
    assert found["label_alignment"] == pytest.approx(cka, rel=1e-5)


def test_fit_and_suspects_are_those_of_the_analyses_on_the_same_kernel(tmp_path) -> None:
    x, labels = data()
    labels[[1, 5]] = labels[[2, 7]]  # two wrong labels
    model = network()
    train(model, 10)
    watched = monitor(model, tmp_path / "m", x, labels=labels)
    source = ks.TangentKernel(model.eval(), normalization="trace").on(x)
    regimes, found = ks.fit(source, labels), ks.suspects(source, labels, neighbours=0)
    samples = watched.samples()
    assert samples["fit"].to_pylist() == regimes.named()
    np.testing.assert_allclose(samples["suspect_score"], found.score, atol=1e-3)
    assert samples["proposed"].to_pylist() == found.proposed.tolist()
    assert found.contradicts.any()
    assert samples["suspected"].to_pylist() == found.contradicts.tolist()
    named = regimes.named()
    assert watched.table()["fit_well_supported"][0].as_py() == pytest.approx(
        named.count("well supported") / len([n for n in named if n])
    )


def test_accuracy_and_memorised_labels_come_from_the_networks_own_answers(tmp_path) -> None:
    x, labels = data()
    labels[3] = 2
    model = network()
    train(model, 10)
    watched = monitor(model, tmp_path / "m", x, labels=labels, output=ks.outputs.OwnClass())
    answers = model.eval()(x).argmax(1)
    samples = watched.samples()
    assert samples["predicted"].to_pylist() == answers.tolist()
    assert watched.table()["accuracy"][0].as_py() == pytest.approx(
        (answers == labels).double().mean().item()
    )
    suspected = torch.tensor(samples["suspected"].to_pylist())
    assert samples["memorised"].to_pylist() == (suspected & (answers == labels)).tolist()


@given(st.integers(0, 10_000), st.floats(0.1, 10.0))
def test_drift_knows_factors_and_the_kernel_itself(seed, factor) -> None:
    generator = torch.Generator().manual_seed(seed)
    phi = torch.randn(9, 4, generator=generator)
    gram = phi @ phi.T
    same = drift(gram, gram)
    assert (same.change, same.alignment, same.centred) == pytest.approx((0, 1, 1))
    grown = drift(factor * gram, gram)
    assert grown.change == pytest.approx(abs(factor - 1), rel=1e-4, abs=1e-6)
    assert (grown.alignment, grown.centred) == pytest.approx((1, 1))


def test_samples_set_apart_enter_nothing() -> None:
    torch.manual_seed(0)
    phi = torch.randn(12, 5)
    gram, before = phi @ phi.T, (phi + 0.1) @ (phi + 0.1).T
    labels = torch.arange(12) % 2
    fewer = look_at(gram[1:, 1:], read_targets(labels[1:], 11), None, Streaks.none(11, 2))
    add_drift(fewer, before[1:, 1:], None)
    gram[0], gram[:, 0] = torch.nan, torch.nan
    found = look_at(gram, read_targets(labels, 12), None, Streaks.none(12, 2))
    add_drift(found, before, None)
    assert found.figures.pop("set_apart") == 1
    assert fewer.figures.pop("set_apart") == 0
    for name, value in fewer.figures.items():
        assert found.figures[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert found.samples["density"][0].isnan()
    assert not found.samples["suspected"][0]


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_a_network_that_diverged_gives_a_row_and_no_error(left) -> None:
    gram = torch.full((6, 6), torch.nan)
    gram[:left, :left] = 2 * torch.eye(left) + 1
    found = look_at(gram, read_targets([0, 0, 1, 1, 1, 0], 6), None, Streaks.none(6, 2))
    add_drift(found, torch.eye(6), torch.eye(6))
    assert found.figures["set_apart"] == 6 - left
    assert ("density_mean" in found.figures) == (left >= 2)


def test_a_vanished_gradient_is_similar_to_nothing() -> None:
    gram = torch.tensor([[4.0, 0.0], [0.0, 0.0]])
    assert similarity_of(gram).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    found = look_at(torch.zeros(3, 3), None, None, Streaks.none(3, 2))
    add_drift(found, torch.zeros(3, 3), None)
    assert found.figures["density_mean"] == 0.0
    assert "effective_rank" not in found.figures


def test_streaks_count_looks_in_a_row() -> None:
    streaks = Streaks.none(3, 2)
    for suspected in ([1, 1, 0], [1, 0, 1], [1, 1, 1]):
        streaks = streaks.after(torch.tensor(suspected) > 0)
    assert streaks.total.tolist() == [3, 2, 2]
    assert streaks.row.tolist() == [3, 1, 2]
    assert streaks.persistent.tolist() == [True, False, True]
