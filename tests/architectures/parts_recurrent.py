"""Recurrent networks: torch's layers, cells in a loop, packed sequences, state spaces."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from architectures.parts_common import Entry, Net, sequences, weights

entry = partial(Entry, "recurrent")


class LastState(nn.Module):
    """A recurrent layer, read at the last position."""

    def __init__(self, layer: nn.RNNBase):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0][:, -1]


class CellInALoop(nn.Module):
    """A cell stepped over positions by hand, from a learnt first state."""

    def __init__(self, cell: nn.RNNCellBase):
        super().__init__()
        self.cell, self.start = cell, weights(3)

    def forward(self, x: Tensor) -> Tensor:
        state = self.start.expand(len(x), -1)
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return state


class LongMemoryInALoop(nn.Module):
    """An LSTM cell with state and memory."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return state[0]


class Packed(nn.Module):
    """Sequences of different lengths packed together: samples change places inside."""

    def __init__(self, layer: nn.RNNBase, read: Callable[[Tensor], Tensor]):
        super().__init__()
        self.layer, self.read = layer, read

    def forward(self, x: Tensor) -> Tensor:
        lengths = (x[:, :, 0] > 0).sum(1).clamp_min(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        return self.read(self.layer(packed)[1])


class StateSpace(nn.Module):
    """A linear recurrence with a diagonal, stable matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.decay, self.enter, self.leave = weights(6), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        state, keep = torch.zeros_like(x[:, :1, :1]), self.decay.sigmoid()
        driven = self.enter(x)
        for t in range(x.shape[1]):
            state = keep * state + driven[:, t : t + 1]
        return self.leave(state[:, 0])


class SequenceToSequence(nn.Module):
    """One layer reads, another writes, started from what the first remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.reader, self.writer = nn.GRU(4, 3, batch_first=True), nn.GRU(4, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        _, memory = self.reader(x)
        return self.writer(x[:, :2], memory)[0].mean(1)


RECURRENT = [
    entry("RNN", lambda: LastState(nn.RNN(4, 3, batch_first=True)), sequences()),
    entry(
        "RNN, two layers, both directions",
        lambda: Net(
            lambda net, x: net.layer(x)[0].sum(1)[:, :3],
            layer=nn.RNN(4, 2, 2, batch_first=True, bidirectional=True),
        ),
        sequences(length=3),
    ),
    entry("GRU", lambda: LastState(nn.GRU(4, 3, batch_first=True)), sequences()),
    entry(
        "GRU without bias",
        lambda: LastState(nn.GRU(4, 3, bias=False, batch_first=True)),
        sequences(),
    ),
    entry("LSTM", lambda: LastState(nn.LSTM(4, 3, batch_first=True)), sequences()),
    entry(
        "LSTM, two layers, projected",
        lambda: LastState(nn.LSTM(4, 3, 2, batch_first=True, proj_size=2)),
        sequences(length=3),
    ),
    entry(
        "LSTM, both directions, positions first",
        lambda: Net(
            lambda net, x: net.layer(x.transpose(0, 1))[0].sum(0)[:, :3],
            layer=nn.LSTM(4, 2, bidirectional=True),
        ),
        sequences(length=3),
    ),
    entry(
        "both directions, read at the last position",
        lambda: LastState(nn.GRU(4, 2, batch_first=True, bidirectional=True)),
        sequences(length=3),
    ),
    entry(
        "GRU with a learnt first state",
        lambda: Net(
            lambda net, x: net.layer(x, net.start.expand(-1, len(x), -1).contiguous())[0][:, -1],
            layer=nn.GRU(4, 3, batch_first=True),
            start=weights(1, 1, 3),
        ),
        sequences(),
    ),
    entry("RNN cell in a loop", lambda: CellInALoop(nn.RNNCell(4, 3)), sequences()),
    entry("GRU cell in a loop", lambda: CellInALoop(nn.GRUCell(4, 3)), sequences()),
    entry("LSTM cell in a loop", LongMemoryInALoop, sequences()),
    entry(
        "GRU on packed sequences",
        lambda: Packed(nn.GRU(4, 3, batch_first=True), lambda state: state[0]),
        sequences(),
    ),
    entry(
        "LSTM on packed sequences, both directions",
        lambda: Packed(
            nn.LSTM(4, 2, batch_first=True, bidirectional=True), lambda state: state[0].sum(0)
        ),
        sequences(length=3),
    ),
    entry("diagonal state space", StateSpace, sequences()),
    entry("sequence to sequence", SequenceToSequence, sequences(length=3)),
]
