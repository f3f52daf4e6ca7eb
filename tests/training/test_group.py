"""A group of processes: the first one looks, and all train as they do without."""

import os
import socket
from pathlib import Path

import torch
import torch.multiprocessing as processes
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

import kinsight as ks
from training.cases import data, monitor, network


def trained(folder: Path | None) -> tuple[dict, int, str]:
    """Weights after four steps; how many looks this process has, and what it shows."""
    model = DistributedDataParallel(network())
    watched = None if folder is None else monitor(model, folder, at_end=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = (tensor.chunk(2)[distributed.get_rank()] for tensor in data())
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if watched is not None:
            watched.step()
    if watched is None:
        return model.module.state_dict(), 0, ""
    watched.look()
    watched.close()
    return model.module.state_dict(), watched.table().num_rows, watched._repr_html_()


def work(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    torch.set_num_threads(1)
    place = Path(folder)
    found = {"alone": trained(None), "watched": trained(place / "looks")}
    torch.save(found, place / f"{rank}.pt")
    distributed.destroy_process_group()


def test_the_first_process_looks_and_training_is_the_same(tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.start_processes(work, (port, str(tmp_path)), nprocs=2, start_method="spawn")
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        weights, looks, shown = found["watched"]
        torch.testing.assert_close(weights, found["alone"][0], rtol=0, atol=0)
        assert looks == (3 if rank == 0 else 0)
        assert "looks" in shown
    table = ks.training.Looks(tmp_path / "looks").table()
    assert table["step"].to_pylist() == [0, 2, 3]
