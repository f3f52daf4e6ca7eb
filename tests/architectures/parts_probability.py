"""Probabilistic models: densities, mixtures, flows, random fields, log-probabilities."""

from functools import partial

import torch
from torch import Tensor, nn

from architectures.parts_common import Entry, Net, sequences, vectors, weights

entry = partial(Entry, "probability")


class ConditionalRandomField(nn.Module):
    """Scores of label sequences: the forward algorithm over learnt transitions."""

    def __init__(self) -> None:
        super().__init__()
        self.emission, self.transition, self.start = nn.Linear(4, 3), weights(3, 3), weights(3)

    def forward(self, x: Tensor) -> Tensor:
        emission = self.emission(x)
        score = self.start + emission[:, 0]
        for t in range(1, x.shape[1]):
            score = (score[:, :, None] + self.transition).logsumexp(1) + emission[:, t]
        return score


class CouplingFlow(nn.Module):
    """An invertible network: each half shifts and scales the other. log p(x) and one latent."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 4), nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        scale, shift = self.first(left).tanh().chunk(2, 1)
        right, volume = right * scale.exp() + shift, scale.sum(1)
        scale, shift = self.second(right).tanh().chunk(2, 1)
        left, volume = left * scale.exp() + shift, volume + scale.sum(1)
        log_density = volume - (left.square() + right.square()).sum(1) / 2
        return torch.stack([log_density, left[:, 0]], 1)


class GaussianMixture(nn.Module):
    """Log of each component's share of the density."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.log_scale, self.share = weights(3, 4), weights(3, 4), weights(3)

    def forward(self, x: Tensor) -> Tensor:
        component = torch.distributions.Normal(self.mean, self.log_scale.exp())
        return component.log_prob(x[:, None]).sum(2) + self.share.log_softmax(0)


class Gaussian(nn.Module):
    """The log-density of a normal distribution with a full covariance. D = 1."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.lower, self.log_scale = weights(4), weights(4, 4), weights(4)

    def forward(self, x: Tensor) -> Tensor:
        triangle = self.lower.tril(-1) / 4 + self.log_scale.exp().diag()
        normal = torch.distributions.MultivariateNormal(self.mean, scale_tril=triangle)
        return normal.log_prob(x)


class VariationalMeans(nn.Module):
    """An autoencoder's code, its spread and the divergence from the prior."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.log_variance = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.mean(x), self.log_variance(x).tanh()
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return torch.cat([mean, divergence[:, None]], 1)


class FrequentAndRare(nn.Module):
    """A softmax in two steps, a short head and a projected tail."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2], div_value=2.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer.log_prob(x)[:, :4]


PROBABILITY = [
    entry("conditional random field", ConditionalRandomField, sequences()),
    entry("coupling flow", CouplingFlow, vectors()),
    entry("Gaussian mixture", GaussianMixture, vectors()),
    entry("Gaussian with full covariance", Gaussian, vectors()),
    entry("variational code", VariationalMeans, vectors()),
    entry("adaptive softmax", FrequentAndRare, vectors()),
    entry(
        "log-probabilities, K of rank D − 1",
        lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3), nn.LogSoftmax(1)),
        vectors(),
    ),
    entry(
        "softmax after a scale",
        lambda: Net(
            lambda net, x: (net.scale * net.layer(x)).softmax(1)[:, :2],
            layer=nn.Linear(4, 3),
            scale=weights(3),
        ),
        vectors(),
    ),
    entry(
        "soft maximum of sums",
        lambda: Net(lambda net, x: (x[:, :, None] + net.w).logsumexp(1), w=weights(4, 3)),
        vectors(),
    ),
    entry(
        "determinant",
        lambda: Net(
            lambda net, x: torch.logdet(net.w @ net.w.T + torch.diag_embed(x.exp())),
            w=weights(4, 4),
        ),
        vectors(),
    ),
]
