"""neural-tangents: the empirical kernel of the same networks in JAX, three implementations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import neural_tangents as nt
import numpy as np

Parameters = dict[str, Any]
WAYS = ("JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS", "STRUCTURED_DERIVATIVES")


class Method:
    """Weights and inputs as arrays; compiled once, before the first time that counts."""

    def __init__(self, folder: Path):
        self.task = json.loads((folder / "task.json").read_text())
        held = {name: jnp.asarray(value) for name, value in np.load(folder / "weights.npz").items()}
        trained = json.loads((folder / "parameters.json").read_text())
        self.parameters = {name: held[name] for name in trained}
        self.buffers = {name: value for name, value in held.items() if name not in trained}
        inputs = np.load(folder / "inputs.npz")
        self.x = jnp.asarray(inputs["x"])
        self.y = jnp.asarray(inputs["y"]) if "y" in inputs else None
        self.own, self.own_y = inputs["own"], inputs.get("own_y")
        self._compiled: dict[str, Callable] = {}

    def one_pass(self) -> None:
        """Nothing: the pass that is the unit is PyTorch's."""

    def ways(self) -> dict[str, Callable[[], np.ndarray]]:
        """Implementations, in square tiles of 50 or 100 samples."""
        if self.task["name"] not in NETWORKS:
            return {}
        return {name: lambda w=way, s=size: self._kernel(w, s)
                for name, (way, size) in self._named().items()}  # fmt: skip

    def warm(self, name: str) -> None:
        """Compile for one tile."""
        way, size = self._named()[name]
        y, own = (self.x, self.own) if self.y is None else (self.y, self.own_y)
        tiles = [(a[:size], jnp.asarray(b[:size])) for a, b in ((self.x, self.own), (y, own))]
        np.asarray(self._one(way)(*tiles))

    def _named(self) -> dict[str, tuple[str, int]]:
        return {
            f"{way.lower()}, tiles of {size}": (way, size) for size in (100, 25) for way in WAYS
        }

    def _kernel(self, way: str, size: int) -> np.ndarray:
        """K in tiles; half of them where it is symmetric."""
        one = self._one(way)
        x, ours = self.x, jnp.asarray(self.own)
        y, theirs = (x, ours) if self.y is None else (self.y, jnp.asarray(self.own_y))
        result: np.ndarray | None = None
        for i in range(0, len(x), size):
            for j in range(0, len(y), size):
                if self.y is None and j > i:
                    continue
                rows, columns = slice(i, i + size), slice(j, j + size)
                tile = np.asarray(one((x[rows], ours[rows]), (y[columns], theirs[columns])))
                if result is None:
                    result = np.empty((len(x), len(y), *tile.shape[2:]), np.float32)
                result[rows, columns] = tile
                if self.y is None and j < i:
                    result[columns, rows] = _transposed(tile)
        return np.asarray(result)

    def _one(self, way: str) -> Callable:
        """The kernel of two batches, compiled."""
        if way not in self._compiled:
            axes = (-1,) if self.task["kind"] != "matrix" else ()
            kernel = nt.empirical_ntk_fn(
                self._output, trace_axes=axes, vmap_axes=0,
                implementation=getattr(nt.NtkImplementation, way),
            )  # fmt: skip
            # Its trace is a mean over the outputs.
            factor = 10 if self.task["kind"] == "trace" else 1
            compiled = jax.jit(lambda a, b: kernel(a, b, self.parameters) * factor)
            self._compiled[way] = compiled
        return self._compiled[way]

    def _output(self, parameters: Parameters, inputs: tuple[Any, Any]) -> Any:
        x, own = inputs
        scores = NETWORKS[self.task["name"]](parameters, self.buffers, x)
        if self.task["output"] == "all":
            return scores
        picked = jnp.take_along_axis(scores, own[:, None], 1)
        rest = (scores.sum(1, keepdims=True) - picked) / (scores.shape[1] - 1)
        return picked - rest  # (N, 1)


def mlp(p: Parameters, buffers: Parameters, x: Any) -> Any:
    """Three linear layers."""
    x = x.reshape(len(x), -1)
    for at in (1, 3):
        x = jax.nn.relu(x @ p[f"{at}.weight"].T + p[f"{at}.bias"])
    return x @ p["5.weight"].T + p["5.bias"]


def small_cnn(p: Parameters, buffers: Parameters, x: Any) -> Any:
    """Two convolutions, two linear layers."""
    for at in (0, 3):
        x = jax.nn.relu(_convolved(x, p[f"{at}.weight"], 1, 0) + p[f"{at}.bias"][:, None, None])
        x = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).mean((3, 5))
    x = jax.nn.relu(x.reshape(len(x), -1) @ p["7.weight"].T + p["7.bias"])
    return x @ p["9.weight"].T + p["9.bias"]


def resnet20(p: Parameters, buffers: Parameters, x: Any) -> Any:
    """The residual network, batch norm in evaluation mode."""

    def normed(x: Any, name: str) -> Any:
        mean, variance = buffers[f"{name}.running_mean"], buffers[f"{name}.running_var"]
        scale = p[f"{name}.weight"] / jnp.sqrt(variance + 1e-5)
        return x * scale[:, None, None] + (p[f"{name}.bias"] - mean * scale)[:, None, None]

    x = jax.nn.relu(normed(_convolved(x, p["conv1.weight"], 1, 1), "bn1"))
    for stage in (1, 2, 3):
        for block in (0, 1, 2):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = _convolved(x, p[f"{name}.conv1.weight"], stride, 1)
            y = jax.nn.relu(normed(y, f"{name}.bn1"))
            y = normed(_convolved(y, p[f"{name}.conv2.weight"], 1, 1), f"{name}.bn2")
            if stride == 2:
                pad = (y.shape[1] - x.shape[1]) // 2
                x = jnp.pad(x[:, :, ::2, ::2], ((0, 0), (pad, pad), (0, 0), (0, 0)))
            x = jax.nn.relu(y + x)
    return x.mean((2, 3)) @ p["linear.weight"].T + p["linear.bias"]


NETWORKS = {"mlp": mlp, "small_cnn": small_cnn, "resnet20": resnet20}


def _convolved(x: Any, weight: Any, stride: int, padding: int) -> Any:
    return jax.lax.conv_general_dilated(
        x, weight, (stride, stride), [(padding, padding)] * 2,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )  # fmt: skip


def _transposed(tile: np.ndarray) -> np.ndarray:
    return tile.T if tile.ndim == 2 else tile.transpose(1, 0, 3, 2)
