"""Streaming is real: a million rows pass through a process that never holds them."""

import subprocess
import sys
from pathlib import Path

CODE = """
import resource, sys
import torch
sys.path.insert(0, sys.argv[1])
from search.rows import unit
from kinsight.analysis.answers import answer
from kinsight.analysis.targets import read_targets
from kinsight.search.maps import principal_map
from kinsight.search.nearest import nearest
from kinsight.search.source import RowsSource

torch.set_num_threads(1)
SIZE, SHARDS, DIM = 1 << 16, 16, 64


class Repeated:
    '''The same shard over and over, a new copy each time it is read.'''

    dim, shards = DIM, [range(i * SIZE, (i + 1) * SIZE) for i in range(SHARDS)]
    one = unit(SIZE, DIM)

    def __len__(self):
        return SIZE * SHARDS

    def read(self, shard):
        return self.one.clone()


def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


rows = Repeated()
source = RowsSource(rows, norms=torch.ones(len(rows)), memory_budget=1 << 26)
torch.linalg.eigh(torch.eye(DIM).double())
labels = torch.randn(len(rows), 1)
before = most()
nearest(rows, rows.one[:20].float(), 3, memory_budget=1 << 26)
source.moments(1), source.moments(2)
principal_map(rows)
answer(source, read_targets(labels, len(rows)), None, None)
print(most() - before, 4 * len(rows) * DIM >> 20)
"""


def test_neither_search_nor_moments_nor_answers_hold_the_rows() -> None:
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", CODE, tests], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    above, all_rows = map(int, done.stdout.split())
    assert all_rows == 256  # MiB in float32; in float64 twice as many
    assert above < 320
