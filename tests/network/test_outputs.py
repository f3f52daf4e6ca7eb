"""Parts and mixtures of outputs, one class against another, and the variance of probes."""

import pytest
import torch
from torch import nn

import kinsight as ks
from kinsight.errors import ArgumentError, OutputError
from kinsight.provenance.digest import described

SCORES = torch.tensor([[2.0, 0.5, -1.0, 1.0], [0.0, 0.3, 0.2, -2.0], [1.0, 1.5, 0.0, 0.5]])


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4)).double()


def test_the_kernel_of_selected_outputs_is_part_of_the_whole_one() -> None:
    model, x = network(), torch.randn(4, 5, dtype=torch.float64)
    whole = ks.TangentKernel(model, normalization=None).matrix(x, normalized=False)
    chosen = ks.TangentKernel(model, output=ks.outputs.Select((3, 1)), normalization=None)
    expected = whole[:, :, [3, 1]][..., [3, 1]]
    torch.testing.assert_close(chosen.matrix(x, normalized=False), expected)


def test_the_kernel_of_a_linear_map_is_mapped_on_both_sides() -> None:
    model, x = network(), torch.randn(4, 5, dtype=torch.float64)
    matrix = torch.randn(2, 4, dtype=torch.float64)
    whole = ks.TangentKernel(model, normalization=None).matrix(x, normalized=False)
    mapped = ks.TangentKernel(model, output=ks.outputs.Linear(matrix.tolist()), normalization=None)
    torch.testing.assert_close(mapped.matrix(x, normalized=False), matrix @ whole @ matrix.T)


def test_outputs_compose() -> None:
    chosen = ks.outputs.Select((0, 2), of=ks.outputs.LogProbabilities())
    differences = ks.outputs.Linear(((1.0, -1.0),), of=chosen)
    expected = (SCORES[:, 0] - SCORES[:, 2])[:, None]  # the normaliser cancels
    torch.testing.assert_close(differences(SCORES, SCORES), expected)
    of_one = ks.outputs.Linear(((2.0,),), of=ks.outputs.OwnClass())
    torch.testing.assert_close(
        of_one(SCORES, SCORES)[:, 0], 2 * ks.outputs.OwnClass()(SCORES, SCORES)
    )


def test_the_adversary_is_drawn_as_likely_as_it_is() -> None:
    draws = 4000
    counts = torch.zeros(4)
    for seed in range(draws):
        value = ks.outputs.AgainstClass("likely", seed=seed)(SCORES[:1], SCORES[:1])
        counts[(SCORES[0] - (SCORES[0, 0] - value)).abs().argmin()] += 1
    assert counts[0] == 0
    expected = SCORES[0].softmax(0).index_fill(0, torch.tensor([0]), 0.0)
    expected = expected / expected.sum()
    error = (expected * (1 - expected) / draws).sqrt()
    assert bool(((counts / draws - expected).abs() <= 4 * error).all())


def test_uniform_adversaries_average_to_own_class() -> None:
    draws = torch.stack(
        [ks.outputs.AgainstClass("uniform", seed=seed)(SCORES, SCORES) for seed in range(3000)]
    )
    expected = ks.outputs.OwnClass()(SCORES, SCORES)
    assert bool(((draws.mean(0) - expected).abs() <= 4 * draws.std(0) / 3000**0.5).all())


def test_the_runner_up_and_independence_of_the_batch() -> None:
    value = ks.outputs.AgainstClass("runner_up")(SCORES, SCORES)
    torch.testing.assert_close(value, torch.tensor([1.0, 0.1, 0.5]))
    for kind in ("runner_up", "likely", "uniform"):
        output = ks.outputs.AgainstClass(kind, seed=5)
        alone = torch.cat([output(row[None], row[None]) for row in SCORES])
        assert torch.equal(output(SCORES, SCORES), alone)
    labelled = ks.outputs.AgainstClass("runner_up", label="batch")
    batch = (SCORES, torch.tensor([3, 1, 1]))
    torch.testing.assert_close(labelled(SCORES, batch), torch.tensor([-1.0, 0.1, 0.5]))


def test_probes_are_unbiased_and_as_noisy_as_stated() -> None:
    model, x = network(), torch.randn(2, 5, dtype=torch.float64)
    whole = ks.TangentKernel(model, normalization=None)
    matrix = whole.matrix(x, normalized=False)[0, 1]
    symmetric = (matrix + matrix.T) / 2
    stated = 2 / 3 * (symmetric.square().sum() - symmetric.diagonal().square().sum())
    traces = torch.tensor([
        float(ks.TangentKernel(model, output=ks.outputs.Probes(3, seed), normalization=None)
              .inner(x)[0, 1])
        for seed in range(600)
    ])  # fmt: skip
    assert abs(traces.mean() - matrix.trace()) <= 4 * traces.std() / 600**0.5
    assert float(traces.var()) == pytest.approx(float(stated), rel=0.3)
    own = whole.inner(x)
    assert float(stated) <= 2 / 3 * float(own[0, 0] * own[1, 1])


def test_an_output_within_an_output_is_told_the_same_every_time() -> None:
    def made():
        return lambda outputs, batch: outputs[:, :3]

    ours = [described(ks.outputs.Select((0,), of=made())) for _ in range(2)]
    assert ours[0] == ours[1]
    assert "0x" not in ours[0]
    assert ours[0] != described(ks.outputs.Select((0,), of=lambda outputs, batch: outputs[:, :2]))
    assert described(ks.outputs.Probes(4, 1)) == repr(ks.outputs.Probes(4, 1))


def test_probes_within_another_output_are_not_whitened_either() -> None:
    mixed = ks.outputs.Linear(((1.0, 1.0),), of=ks.outputs.Probes(2))
    with pytest.raises(ArgumentError, match="Tr K only"):
        ks.TangentKernel(network(), output=mixed)


def test_bad_choices_are_named() -> None:
    with pytest.raises(OutputError, match="among 4 outputs"):
        ks.outputs.Select((4,))(SCORES, SCORES)
    with pytest.raises(ArgumentError, match="different numbers"):
        ks.outputs.Select((1, 1))
    with pytest.raises(ArgumentError, match="different numbers"):
        ks.outputs.Select(())
    with pytest.raises(OutputError, match="4 columns"):
        ks.outputs.Linear(((1.0, 2.0),))(SCORES, SCORES)
    with pytest.raises(ArgumentError, match="finite rows"):
        ks.outputs.Linear(((float("nan"),),))
    with pytest.raises(ArgumentError, match="adversary"):
        ks.outputs.AgainstClass("nearest")  # pyright: ignore[reportArgumentType]
    with pytest.raises(OutputError, match="name one twice"):
        ks.outputs.Select((-1, 3))(SCORES, SCORES)
    for indices in ((1.7,), 3, ("a",)):
        with pytest.raises(ArgumentError, match="whole numbers"):
            ks.outputs.Select(indices)  # pyright: ignore[reportArgumentType]
    for matrix in (((1.0, 2.0), (1.0,)), (("a",),)):
        with pytest.raises(ArgumentError, match="rows of numbers"):
            ks.outputs.Linear(matrix)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"write Logits\(\)"):
        ks.outputs.Select((0,), of=ks.outputs.Logits)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="of: expected"):
        ks.outputs.Linear(((1.0,),), of=3)  # pyright: ignore[reportArgumentType]
