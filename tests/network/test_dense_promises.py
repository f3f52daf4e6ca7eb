"""What dense outputs promise: sums of kernels over positions, masks, order; what they refuse."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import kinsight as ks
from kinsight.errors import ArgumentError, OutputError, OutputSizeError
from kinsight.provenance.digest import described
from network.dense_cases import language

o: Any = ks.outputs
SCORES = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
small = st.integers(1, 4)


def convolution(channels: int) -> nn.Module:
    torch.manual_seed(channels)
    layers = (nn.Conv1d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv1d(3, channels, 1))
    return nn.Sequential(*layers).double().eval()


def kernel(model: nn.Module, output) -> ks.TangentKernel:
    return ks.TangentKernel(model, output=output, normalization=None)


@given(st.integers(1, 3), st.integers(2, 5), small, st.integers(0, 99))
def test_kernels_of_sums_and_means_are_sums_over_pairs_of_positions(
    channels: int, length: int, samples: int, seed: int
) -> None:
    torch.manual_seed(seed)
    model, x = convolution(channels), torch.randn(samples + 1, 2, length).double()
    each = kernel(model, o.PerPosition()).matrix(x, normalized=False)
    each = each.unflatten(2, (length, channels)).unflatten(4, (length, channels))
    pairs = each.sum((2, 4))  # (N, M, C, C): over s and t
    summed = kernel(model, o.Summed()).matrix(x, normalized=False)
    torch.testing.assert_close(summed, pairs, rtol=1e-9, atol=1e-12)
    averaged = kernel(model, o.Averaged()).matrix(x, normalized=False)
    torch.testing.assert_close(averaged, pairs / length**2, rtol=1e-9, atol=1e-12)
    one = kernel(model, o.AtPosition(length - 1)).matrix(x, normalized=False)
    torch.testing.assert_close(one, each[:, :, -1, :, -1], rtol=1e-9, atol=1e-12)


@given(st.integers(0, 999), st.sampled_from([o.Averaged, o.Summed, o.PerPosition]))
def test_nothing_at_a_masked_position_enters(seed: int, kind) -> None:
    """Neither its value, be it NaN, nor its label; and its gradient is zero."""
    generator = torch.Generator().manual_seed(seed)
    keep = torch.rand(2, 4, 5, generator=generator) < 0.5
    labels = torch.randint(0, 3, keep.shape, generator=generator)
    output = kind(o.Loss(), mask="keep")
    clean = output(SCORES, {"keep": keep, "labels": labels})
    spoilt = torch.where(keep[:, None], SCORES, torch.nan).requires_grad_(True)
    batch = {"keep": keep, "labels": torch.where(keep, labels, -100)}
    value = output(spoilt, batch)
    assert torch.equal(value, clean)
    (gradient,) = torch.autograd.grad(value.sum(), spoilt)
    assert bool((gradient.movedim(1, -1)[~keep] == 0).all())
    assert bool(gradient.movedim(1, -1)[keep].any(1).all())


def test_a_sample_without_positions_left_has_no_gradient() -> None:
    model, x = convolution(2), torch.randn(3, 2, 4).double()
    keep = torch.ones(3, 4)
    keep[1] = 0
    masked = ks.TangentKernel(model, output=o.Averaged(mask=1))
    with pytest.warns(ks.errors.SingularOutputWarning, match="no gradient"):
        found = masked.similarity((x, keep))
    assert found[1].abs().max() == 0
    assert bool(found.isfinite().all())
    assert found[0, 0] == pytest.approx(1)


def test_axes_of_channels_and_outputs_without_one() -> None:
    last = SCORES.movedim(1, -1)
    for output in (o.PerPosition, o.Averaged, o.Summed):
        first = output(o.LogProbabilities())(SCORES, SCORES)
        assert torch.equal(output(o.LogProbabilities(), channels=-1)(last, last), first)
    heights = SCORES[:, 0]  # (N, H, W)
    assert torch.equal(o.Averaged(channels=None)(heights, heights)[:, 0], heights.mean((1, 2)))
    assert torch.equal(o.PerPosition(channels=None)(heights, heights), heights.flatten(1))
    tokens = SCORES[:, :, 0]  # (N, C, L)
    assert torch.equal(o.AtPosition(-2)(tokens, tokens), tokens[:, :, 3])


def test_a_mask_in_a_tuple_is_not_taken_for_labels() -> None:
    labels, keep = torch.randint(0, 3, (2, 4, 5)), torch.rand(2, 4, 5) < 0.7
    output = o.Summed(o.OwnClass("batch"), mask=2)
    named = o.Summed(o.OwnClass("batch"), mask="keep")
    wanted = named(SCORES, {"labels": labels, "keep": keep})
    assert torch.equal(output(SCORES, (SCORES, labels, keep)), wanted)
    with pytest.raises(OutputError, match="labels in the batch"):
        o.Summed(o.OwnClass("batch"), mask=1)(SCORES, (SCORES, keep))


def test_tokens_are_found_where_they_are() -> None:
    model, batch = language()
    scores, ids = model(batch["input_ids"]), batch["input_ids"]
    wanted = o.NextToken("each")(scores, ids)
    assert wanted.shape == (4, 4)
    assert torch.equal(o.NextToken("each")(scores, {"input_ids": ids}), wanted)
    assert torch.equal(o.NextToken("each")(scores, (ids, torch.zeros(4))), wanted)
    for place, given_batch in (("words", {"words": ids}), (1, (scores, ids))):
        assert torch.equal(o.NextToken("each", tokens=place)(scores, given_batch), wanted)
    torch.testing.assert_close(o.NextToken()(scores, ids)[:, 0], wanted.sum(1))
    torch.testing.assert_close(o.NextToken("averaged")(scores, ids)[:, 0], wanted.mean(1))
    third = o.Select((2,), of=o.NextToken("each"))
    assert torch.equal(third(scores, ids)[:, 0], wanted[:, 2])


def test_dense_outputs_are_told_the_same_every_time() -> None:
    made = [o.Averaged(o.OwnClass(), mask=lambda batch: batch[1] > 0) for _ in range(2)]
    told = [described(output) for output in made]
    assert told[0] == told[1]
    assert "0x" not in told[0]
    assert "OwnClass(label='predicted')" in told[0]
    assert described(o.Summed()) != described(o.Averaged())
    assert described(o.NextToken("each")) == repr(o.NextToken("each"))


def test_probes_of_positions_are_not_whitened() -> None:
    for output in (o.Probes(2, of=o.PerPosition()), o.Averaged(o.Probes(2))):
        with pytest.raises(ArgumentError, match="Tr K only"):
            ks.TangentKernel(convolution(2), output=output)


def test_too_many_positions_name_the_way_out() -> None:
    model, x = nn.Conv2d(1, 2, 3, padding=1), torch.randn(2, 1, 64, 64)
    dense = ks.TangentKernel(model, output=o.PerPosition(), memory_budget=1 << 28)
    with pytest.raises(OutputSizeError, match=r"8,192×8,192.*Probes.*Averaged"):
        dense.similarity(x)
    ks.TangentKernel(model, output=o.Averaged(), memory_budget=1 << 28).similarity(x)


def flat(value: Tensor, batch: object) -> Tensor:
    return value.sum()


LABELS = torch.zeros(2, 4, 5, dtype=torch.long)


@pytest.mark.parametrize(
    ("output", "scores", "batch", "said"),
    [
        (o.Averaged(), SCORES[:, :, 0, 0], None, "dense output"),
        (o.AtPosition(0, channels=None), SCORES[:, 0, 0, 0], None, "dense output"),
        (o.Summed(channels=4), SCORES, None, "channels: expected an axis"),
        (o.OwnClass(), SCORES, None, "Averaged"),
        (o.Averaged(mask="keep"), SCORES, {"labels": LABELS}, "a dict of 'labels'"),
        (o.Averaged(mask=3), SCORES, (SCORES, LABELS), "a tuple of 2"),
        (o.Averaged(mask=1), SCORES, (SCORES, LABELS[:, None]), "mask of one number a position"),
        (o.Averaged(o.Loss()), SCORES, SCORES, "labels in the batch"),
        (o.Averaged(o.Loss()), SCORES, (SCORES, LABELS[:, 0]), "a label for each position"),
        (o.Summed(o.Loss("squared")), SCORES, (SCORES, SCORES[:, 0]), "target for every output"),
        (o.Averaged(flat), SCORES, SCORES, "one row for each position"),
        (o.AtPosition((4, 0)), SCORES, None, r"inside \(4, 5\)"),
        (o.AtPosition(3), SCORES, None, "2 whole number"),
        (o.AtPosition("place"), SCORES, {"place": SCORES[:, 0, 0, :2]}, "float32"),
        (o.NextToken(), SCORES, LABELS, "vocabulary last"),
        (o.NextToken(), SCORES[:, 0], LABELS[:, 0, :3], "tokens: expected"),
        (o.NextToken(), SCORES[:, 0], torch.full((2, 4), 9), "labels from 0 to 4"),
        (o.NextToken(mask="keep"), SCORES[:, 0], {"input_ids": LABELS[:, :, 0]}, "mask: expected"),
    ],
)
def test_what_does_not_fit_is_named(output, scores: Tensor, batch, said: str) -> None:
    with pytest.raises(OutputError, match=said):
        output(scores, batch)


def test_labels_of_another_shape_only_matter_where_they_are_asked_for() -> None:
    batch = (SCORES, torch.zeros(2, dtype=torch.long))  # one class a picture
    assert o.Averaged(o.OwnClass())(SCORES, batch).shape == (2, 1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: o.Averaged(o.OwnClass), "write OwnClass"),
        (lambda: o.Summed(channels=0), "channels"),
        (lambda: o.Summed(mask=True), "mask"),
        (lambda: o.PerPosition(mask=2.5), "mask"),
        (lambda: o.AtPosition(1.5), "index"),
        (lambda: o.AtPosition(()), "index"),
        (lambda: o.AtPosition(True), "index"),
        (lambda: o.NextToken("sum"), "reduce"),
        (lambda: o.Probes(2, of=3), "of: expected"),
    ],
)
def test_wrong_settings_are_refused_when_they_are_made(wrong, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        wrong()
