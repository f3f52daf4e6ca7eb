"""The term in DistributedDataParallel: two processes step as one does on the whole batch."""

import os
import socket

import torch
import torch.multiprocessing as processes
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

import kinsight as ks
from kinsight.losses import SimilarityLoss


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def data() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    x, y = torch.randn(2, 4, 3, dtype=torch.float64)
    return x, y, torch.tensor([0, 1, 2, 1])


def objective(model: nn.Module, part: slice) -> Tensor:
    x, y, labels = (tensor[part] for tensor in data())
    term = SimilarityLoss(model, weight=0.5, output=ks.outputs.OwnClass())
    return nn.functional.cross_entropy(model(x), labels) + term(x, y)


def work(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    model = DistributedDataParallel(network())
    objective(model, slice(2 * rank, 2 * rank + 2)).backward()
    torch.save([p.grad for p in model.parameters()], f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_average_the_gradient_of_the_term(tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.start_processes(work, (port, str(tmp_path)), nprocs=2, start_method="spawn")
    model = network()
    objective(model, slice(0, 4)).backward()  # means over pairs: halves average to the whole
    for rank in (0, 1):
        gradients = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(gradients, [p.grad for p in model.parameters()])
