"""beside.parquet: which samples others would call near, by the last layer and by raw inputs."""

from collections.abc import Callable

import pyarrow as pa

from kinsight.baselines.baseline import FeatureBaseline
from kinsight.baselines.inputs import Inputs
from kinsight.baselines.layers import LastLayer
from kinsight.errors import KinsightError
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.run.addition import Addition
from kinsight.run.tables import neighbours_table

_BATCH = 128


def beside(kernel: TangentKernel, samples: Batches, k: int) -> Addition:
    """beside.parquet: ``by``, then the columns of neighbours.parquet; similarities are cosines.

    Where one does not apply (no linear layer at the end, inputs that are no real numbers,
    features that do not fit the memory budget) the reason is given instead.

    Cost: a forward pass, and N² products of features each.
    """
    function, budget = kernel.function, kernel.memory_budget
    makers: dict[str, Callable[[], FeatureBaseline]] = {
        "last layer": lambda: LastLayer(
            function.model, forward=function.forward, batch_size=_BATCH, memory_budget=budget
        ),
        "input": lambda: Inputs(memory_budget=budget),
    }
    tables, left_out = [], []
    for name, make in makers.items():
        try:
            nearest = make().on(samples).nearest(k=k)
        except KinsightError as error:
            left_out.append(f"beside, by the {name}: {error}")
            continue
        table = neighbours_table(nearest)
        by = pa.array([name] * table.num_rows, pa.string())
        value = table["similarity"].cast(pa.float32())
        table = table.set_column(3, "similarity", value)
        tables.append(table.add_column(0, "by", by))
    return Addition(pa.concat_tables(tables) if tables else None, left_out)
