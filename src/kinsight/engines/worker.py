"""The process at the other end: makes the worker once, then answers item by item."""

import pickle

import torch

from kinsight.engines.session import import_ray


class Worker:
    """Lives in a process of its own; what comes and goes is bytes.

    Objects that Ray unpacks itself may be read-only views of its shared memory. Packed here,
    a result is the same as if it had been computed in the process that asked.
    """

    def start(self, packed: bytes, threads: int) -> None:
        """Unpack and call ``make``, with torch held to ``threads`` threads from now on."""
        torch.set_num_threads(threads)
        self._work = pickle.loads(packed)()

    def work(self, packed: bytes) -> bytes:
        """The packed result of a packed item."""
        return import_ray().cloudpickle.dumps(self._work(pickle.loads(packed)))
