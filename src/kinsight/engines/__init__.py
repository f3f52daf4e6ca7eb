"""Where the shards of a job are computed: this process, or the workers of a Ray cluster."""

from kinsight.engines.engine import Engine
from kinsight.engines.local import Local
from kinsight.engines.on_ray import Ray

__all__ = ["Engine", "Local", "Ray"]
