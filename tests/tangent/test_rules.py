"""Every rule held to the contract that ships with the package."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.testing import RuleContract


class Then(nn.Module):
    """A layer, a curve, and the mean over what is left: outputs of shape (B, D)."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x).tanh()
        return y.reshape(len(y), 3, -1).mean(2)


class Sequences:
    def inputs(self, count: int) -> Tensor:
        return torch.randn(count, 5, 6)


class Images:
    def inputs(self, count: int) -> Tensor:
        return torch.randn(count, 4, 6, 6)


class TestLinear(Sequences, RuleContract):
    def network(self) -> nn.Module:
        return Then(nn.Linear(6, 3))


class TestConvolution(Images, RuleContract):
    def network(self) -> nn.Module:
        return Then(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2))


class TestWideConvolution(Images, RuleContract):
    """Few positions, many channels: the plan keeps the patches factored."""

    def network(self) -> nn.Module:
        return Then(nn.Conv2d(4, 24, 5))


class TestTransposedConvolution(Images, RuleContract):
    def network(self) -> nn.Module:
        return Then(nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2))


class TestSeveralInputsASample(Images, RuleContract):
    def network(self) -> nn.Module:
        class Frames(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Conv2d(2, 3, 3)

            def forward(self, x: Tensor) -> Tensor:
                y = self.layer(x.reshape(-1, 2, 6, 6)).tanh()
                return y.reshape(len(x), 2, 3, -1).mean((1, 3))

        return Frames()


class TestEmbedding(RuleContract):
    def network(self) -> nn.Module:
        return Then(nn.Embedding(7, 6, padding_idx=2))

    def inputs(self, count: int) -> Tensor:
        return torch.randint(0, 7, (count, 4))


class TestBag(RuleContract):
    def network(self) -> nn.Module:
        return Then(nn.EmbeddingBag(7, 6, mode="mean"))

    def inputs(self, count: int) -> Tensor:
        return torch.randint(0, 7, (count, 4))


class TestTableByIndex(RuleContract):
    def network(self) -> nn.Module:
        class Table(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table = nn.Parameter(torch.randn(7, 3))

            def forward(self, x: Tensor) -> Tensor:
                return self.table[x].tanh().mean(1) + self.table.index_select(0, x[:, 0]).sin()

        return Table()

    def inputs(self, count: int) -> Tensor:
        return torch.randint(0, 7, (count, 4))


class TestLayerNorm(Sequences, RuleContract):
    def network(self) -> nn.Module:
        return Then(nn.LayerNorm(6))


class TestGroupNorm(RuleContract):
    def network(self) -> nn.Module:
        return Then(nn.GroupNorm(3, 6))

    def inputs(self, count: int) -> Tensor:
        return torch.randn(count, 6, 4, 4)


class TestBatchNorm(RuleContract):
    def network(self) -> nn.Module:
        layer = nn.BatchNorm2d(3)
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
        return Then(layer).eval()

    def inputs(self, count: int) -> Tensor:
        return torch.randn(count, 3, 4, 4)


class TestInstanceNorm(TestBatchNorm):
    def network(self) -> nn.Module:
        return Then(nn.InstanceNorm2d(3, affine=True)).eval()


class TestElementwise(Sequences, RuleContract):
    def network(self) -> nn.Module:
        class Mixed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.a, self.b = nn.Parameter(torch.rand(6) + 1), nn.Parameter(torch.randn(5, 1))
                self.c, self.d = nn.Parameter(torch.rand(6) + 1), nn.Parameter(torch.randn(()))
                self.slope = nn.PReLU(5)

            def forward(self, x: Tensor) -> Tensor:
                y = self.slope(x) * self.a - self.b
                z = torch.where(x > 0, y / self.c, self.d) + self.c / (x.square() + 1)
                return z.sin().reshape(len(x), 3, -1).sum(2)

        return Mixed()


class TestProducts(Sequences, RuleContract):
    def network(self) -> nn.Module:
        class Products(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.left = nn.Parameter(torch.randn(3, 6))
                self.heads = nn.Parameter(torch.randn(2, 6, 3))
                self.vector = nn.Parameter(torch.randn(6))

            def forward(self, x: Tensor) -> Tensor:
                flat = x.mean(1)
                y = (self.left @ flat.T).T.tanh()
                y = y + torch.einsum("bti,hio->bhto", x, self.heads).tanh().sum((1, 2))
                y = y + (self.heads.transpose(1, 2) @ x[:, 0].T).sin().sum(0).T
                return y + (flat @ self.vector).sin()[:, None]

        return Products()


class TestTiedTable(RuleContract):
    """An embedding that is the output layer too: uses of different kinds add up."""

    def network(self) -> nn.Module:
        class Tied(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table = nn.Embedding(7, 6)

            def forward(self, x: Tensor) -> Tensor:
                hidden = self.table(x).mean(1).tanh()
                return functional.linear(hidden, self.table.weight)[:, :3]

        return Tied()

    def inputs(self, count: int) -> Tensor:
        return torch.randint(0, 7, (count, 4))


class TestEffectiveWeights(Sequences, RuleContract):
    """Weights computed from parameters alone are pulled back without a rule of their own."""

    def network(self) -> nn.Module:
        class Adapted(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w, self.scale = nn.Parameter(torch.randn(3, 6)), nn.Parameter(torch.rand(3, 1))
                self.a, self.b = nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(3, 2))

            def forward(self, x: Tensor) -> Tensor:
                weight = functional.normalize(self.w) * self.scale.exp() + self.b @ self.a
                return functional.linear(x, weight).tanh().mean(1)

        return Adapted()


class TestWithoutRule(RuleContract):
    """An operator without a rule goes one sample at a time, and is as exact."""

    fallback = ("centres",)

    def network(self) -> nn.Module:
        class Distances(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.centres = nn.Parameter(torch.randn(3, 6))

            def forward(self, x: Tensor) -> Tensor:
                return torch.cdist(x, self.centres).neg().exp()

        return Distances()

    def inputs(self, count: int) -> Tensor:
        return torch.randn(count, 6)


del RuleContract  # the abstract contract itself is not a test
