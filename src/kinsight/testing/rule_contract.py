"""The contract of a rule: subclass it, write two methods, and pytest does the rest.

class TestMyOperator(RuleContract):
    def network(self): return MyLayer().eval()
    def inputs(self, count): return torch.randn(count, 4)
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_map

from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batch
from kinsight.network.function import NetworkFunction
from kinsight.tangent.blocks import Block, Dense, add_up
from kinsight.tangent.capture import Capture
from kinsight.tangent.features import Features
from kinsight.tangent.hashing import Hash, folded
from kinsight.tangent.reference import jacobian_by_loop

_TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}


class RuleContract(ABC):
    """Holds the rules that a small network uses to a float64 loop over samples and outputs.

    Everything a block can do is compared with its dense form, and the dense form with autograd.
    Override ``fallback`` to name parameters that are meant to go one sample at a time.
    """

    fallback: tuple[str, ...] = ()

    @abstractmethod
    def network(self) -> nn.Module:
        """A small network in evaluation mode that uses the operator; at most some 1,000 numbers."""

    @abstractmethod
    def inputs(self, count: int) -> Batch:
        """``count`` samples for it: random, different at every call."""

    def _batch(self, count: int, seed: int) -> Batch:
        torch.manual_seed(seed)
        return tree_map(lambda t: t.double() if t.is_floating_point() else t, self.inputs(count))

    def _network(self) -> nn.Module:
        torch.manual_seed(0)
        return self.network().double()

    def _jacobian(self, features: Features, function: NetworkFunction) -> Tensor:
        batch, outputs = features.values.shape
        parts = []
        for name, parameter in function.selection.chosen.items():
            size = parameter.numel() * (2 if parameter.is_complex() else 1)
            block = features.blocks.get(name, Dense(torch.zeros(batch, outputs, size).double()))
            parts.append(block.dense())
        return torch.cat(parts, 2)

    def test_the_gradient_is_that_of_autograd_sample_by_sample(self) -> None:
        """Batches of 1, 3 and 7 samples against one sample at a time."""
        function = NetworkFunction(self._network())
        capture = Capture(function)
        for count in (7, 3, 1):
            batch = self._batch(count, seed=count)
            ours = self._jacobian(capture(batch), function)
            assert_close(ours, jacobian_by_loop(function, batch), **_TIGHT)

    def test_what_a_block_does_is_what_its_dense_form_does(self) -> None:
        """Products, mixing, sums, contraction, choosing and cleaning samples."""
        function = NetworkFunction(self._network())
        capture = Capture(function)
        ours, theirs = capture(self._batch(5, 1)), capture(self._batch(4, 2))
        for name, block in ours.blocks.items():
            other = theirs.blocks.get(name, block)
            self._same_as_dense(block, other)
            for pairs in (1, 10**6):
                form = block.settled(pairs)
                if form is not block:
                    self._same_as_dense(form, other.settled(pairs))
                    self._same_as_dense(form, Dense(other.dense()))

    def _same_as_dense(self, block: Block, other: Block) -> None:
        dense, target = Dense(block.dense()), Dense(other.dense())
        batch, outputs, size = dense.value.shape
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(batch, 2, outputs, generator=generator, dtype=torch.float64)
        direction = torch.randn(outputs, size, generator=generator, dtype=torch.float64)
        bad = torch.arange(batch) == 1
        kept = torch.tensor([2, 0])
        assert_close(block.trace_gram(other), dense.trace_gram(target), **_TIGHT)
        assert_close(block.gram(other), dense.gram(target), **_TIGHT)
        assert_close(block.own_gram(), dense.own_gram(), **_TIGHT)
        assert_close(block.summed(), dense.summed(), **_TIGHT)
        assert_close(block.contract(direction), dense.contract(direction), **_TIGHT)
        assert_close(block.weighted_sum(weights), dense.weighted_sum(weights), **_TIGHT)
        assert_close(block.mix(weights).dense(), dense.mix(weights).dense(), **_TIGHT)
        assert_close(block.keep(kept).dense(), dense.value[kept], **_TIGHT)
        assert_close(block.clean(bad).dense(), dense.clean(bad).dense(), **_TIGHT)
        assert_close(add_up([block, block]).dense(), 2 * dense.value, **_TIGHT)
        for pairs in (1, 10**6):
            assert_close(block.settled(pairs).dense(), dense.value, **_TIGHT)
        if block.bytes <= 0:
            raise AssertionError(f"{type(block).__name__}.bytes: expected what it holds, got 0")

    def test_a_sketch_is_the_same_in_whatever_form_it_is_made(self) -> None:
        """From the factors, from the gradient written out: one hash, one result."""
        function = NetworkFunction(self._network())
        features = Capture(function)(self._batch(5, 1))
        for name, block in features.blocks.items():
            shape = tuple(function.selection.chosen[name].shape)
            if block.dense().shape[2] != torch.Size(shape).numel():
                continue  # complex: two real numbers an entry
            for dim in (3, 16, 1 << 14):  # the larger, the dearer an FFT
                hashing = Hash.of(name, shape, dim, seed=1).to(block.dense())
                forms = (Dense(block.dense()), block, block.sketchable(dim))
                sketches = [_sketch(form, hashing) for form in forms]
                for sketch in sketches[1:]:
                    assert_close(sketch, sketches[0], rtol=1e-9, atol=1e-10)
                assert_close(block.sketchable(dim).own_gram(), block.own_gram(), **_TIGHT)

    def test_the_rule_is_used(self) -> None:
        """No parameter goes one sample at a time unless ``fallback`` names it."""
        kernel = TangentKernel(self._network())
        found = kernel.coverage(self._batch(3, 0)).fallback
        if found != self.fallback:
            raise AssertionError(f"expected fallback for {self.fallback}, got {found}")


def _sketch(block: Block, hashing: Hash) -> Tensor:
    batch, outputs, _ = block.dense().shape
    total = torch.zeros(batch, outputs, 2 * hashing.dim, dtype=torch.float64)
    block.sketch(hashing, total)
    return folded(total)
