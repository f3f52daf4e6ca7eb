"""The networks of the benchmark, in plain PyTorch: every package gets the same one."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions beside a shortcut; where the size changes, the shortcut is padded."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.pad = (outputs - inputs) // 2 if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.pad is not None:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return functional.relu(y + x)


class ResNet20(nn.Module):
    """He et al. 2016 for CIFAR-10: 269,722 parameters; names as in the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def mlp() -> nn.Sequential:
    """784-512-256-10 with ReLU: 535,818 parameters."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
        nn.Linear(256, 10),
    )  # fmt: skip


def small_cnn() -> nn.Sequential:
    """Two convolutions of 5×5 and two linear layers for 28×28 pixels: 317,066 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 5), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(32, 64, 5), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 10),
    )  # fmt: skip


class Attention(nn.Module):
    """Causal self-attention written out, as every package can differentiate it."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            part.reshape(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.queries_keys_values(x).split(width, 2)
        )
        score = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        weight = score.masked_fill(later, -torch.inf).softmax(-1)
        return self.out((weight @ v).transpose(1, 2).reshape(batch, length, width))


class Layer(nn.Module):
    """Attention and a two-layer network of four times the width, each beside a shortcut."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.before_attention, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.before_mixing = nn.LayerNorm(width)
        self.mixing = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.before_attention(x))
        return x + self.mixing(self.before_mixing(x))


class Transformer(nn.Module):
    """The shape of GPT-2, the head not tied. Tokens (N, T) -> mean log-likelihood (N, 1)."""

    def __init__(self, layers: int = 6, width: int = 384, words: int = 8192, length: int = 256):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Embedding(length, width)
        self.layers = nn.Sequential(*[Layer(width, max(1, width // 64)) for _ in range(layers)])
        self.last = nn.LayerNorm(width)
        self.head = nn.Linear(width, words, bias=False)

    def scores(self, tokens: Tensor) -> Tensor:
        """Scores of the next token behind each: (N, T, V)."""
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        return self.head(self.last(self.layers(x)))

    def forward(self, tokens: Tensor) -> Tensor:
        log = self.scores(tokens)[:, :-1].log_softmax(-1)
        return log.gather(2, tokens[:, 1:, None]).mean(1)


def network(name: str, sizes: dict[str, int]) -> nn.Module:
    """One of the networks above by name, in evaluation mode."""
    made = {"resnet20": ResNet20, "mlp": mlp, "small_cnn": small_cnn, "transformer": Transformer}
    return made[name](**sizes).eval()


def own_class(scores: Tensor, own: Tensor) -> Tensor:
    """Own class against the mean of the rest: (…, C), (…,) -> (…,)."""
    picked = scores.gather(-1, own[..., None])[..., 0]
    return picked - (scores.sum(-1) - picked) / (scores.shape[-1] - 1)
