"""Where the shards of a job are computed: this process, or the workers of a Ray cluster."""

from kinsight.engines.choice import engine_of
from kinsight.engines.engine import Engine, ordered
from kinsight.engines.failures import WorkerError, WorkerLostError
from kinsight.engines.local import Local
from kinsight.engines.on_ray import Ray

__all__ = ["Engine", "Local", "Ray", "WorkerError", "WorkerLostError", "engine_of", "ordered"]
