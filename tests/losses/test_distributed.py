"""The terms in DistributedDataParallel: two processes train as one does on the whole batch."""

import os
import socket
from contextlib import nullcontext

import pytest
import torch
import torch.multiprocessing as processes
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

import kinsight as ks
from kinsight.losses import InvarianceLoss, SimilarityLoss

STEPS, PARTS, SIZE = 3, 2, 2  # steps of the optimiser, accumulated parts of each, samples a part


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def data(step: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1 + step)
    x, y = torch.randn(2, 2 * PARTS * SIZE, 3, dtype=torch.float64)
    return x, y, torch.randint(3, (2 * PARTS * SIZE,))


def louder(batch: Tensor, amount: Tensor) -> Tensor:
    return batch * (1 + amount[:, None])


def objective(model: nn.Module, step: int, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of a network and both terms, apart."""
    x, y, labels = (tensor[chosen] for tensor in data(step))
    alike = SimilarityLoss(model, weight=0.5, output=ks.outputs.OwnClass("batch"))
    invariant = InvarianceLoss(model, louder, weight=0.1, output=lambda outputs, _: outputs[:, 0])
    loss = nn.functional.cross_entropy(model(x), labels)
    return loss, alike((x, labels), (y, labels)) + invariant(x)


def trained(model: nn.Module, share: Tensor) -> list[Tensor]:
    """Weights after a few steps, each of accumulated parts that are averaged in the last one."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(STEPS):
        for number, chosen in enumerate(share.chunk(PARTS)):
            waits = isinstance(model, DistributedDataParallel) and number < PARTS - 1
            with model.no_sync() if waits else nullcontext():  # type: ignore[operator]
                (sum(objective(model, step, chosen)) / PARTS).backward()
        optimizer.step()
        optimizer.zero_grad()
    return [p.detach() for p in model.parameters()]


def apart(model: nn.Module, share: Tensor) -> list[Tensor]:
    """Gradients of one step whose loss and terms go backward one after the other."""
    for part in objective(model, 0, share):
        part.backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def work(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    torch.set_num_threads(1)
    share = torch.arange(2 * PARTS * SIZE).chunk(2)[rank]
    found = {
        "trained": trained(DistributedDataParallel(network()), share),
        "apart": apart(DistributedDataParallel(network()), share),
    }
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict]:
    """What both processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.start_processes(work, (port, str(folder)), nprocs=2, start_method="spawn")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_that_accumulate_train_as_one_does(ranks) -> None:
    # Means over pairs and samples: equal parts average to the whole.
    alone = trained(network(), torch.arange(2 * PARTS * SIZE))
    assert not torch.equal(alone[0], network()[0].weight)  # type: ignore[index]
    for rank in ranks:
        torch.testing.assert_close(rank["trained"], alone)


def test_a_second_backward_is_not_averaged_as_the_guide_says(ranks) -> None:
    first, second = (rank["apart"] for rank in ranks)
    assert not torch.allclose(first[0], second[0], rtol=1e-3)
