"""The network and what is asked of it as one function f: batch -> (B, D)."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from kinsight.checks import floating_type, present_device
from kinsight.errors import NetworkError, OutputError
from kinsight.network.columns import Batch, common_length, plain
from kinsight.network.inputs import LABEL_KEYS as LABEL_KEYS
from kinsight.network.inputs import Inputs
from kinsight.network.parameters import ParameterChoice, Selection, select_parameters

OutputFunction = Callable[[Any, Batch], Tensor]


class NetworkFunction:
    """f(x) in R^D for every sample of a batch, with the parameters it is differentiated by.

    Args:
        model: the trained network; wrappers (compile, DataParallel, DDP, PEFT) are taken off.
        output: what is asked of it, ``None`` or ``(outputs, batch) -> (B,) or (B, D)``.
        parameters: which parameters count, see :func:`select_parameters`.
        dtype, device: another precision or place; the model itself is then copied, not changed.
        forward: ``(model, batch) -> outputs`` where the default reading of a batch does not fit.
    """

    def __init__(
        self,
        model: nn.Module,
        output: OutputFunction | None = None,
        parameters: ParameterChoice = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        forward: Callable[[nn.Module, Batch], Any] | None = None,
    ):
        self.model = _in_place(unwrap(model), dtype, device)
        self.output = output
        self.forward = forward
        self.selection: Selection = select_parameters(self.model, parameters)
        first = next(iter(self.selection.chosen.values()))
        self.device, self.dtype = first.device, first.dtype.to_real()  # weights may be complex
        self._inputs = Inputs(self.model)

    def outputs(self, batch: Batch) -> Any:
        """What the network itself returns for ``batch``."""
        with _differentiable_operators(self.model):
            if self.forward is not None:
                return self.forward(self.model, batch)
            return self._inputs(self.model, batch)

    def to_rows(self, outputs: Any, batch: Batch) -> Tensor:
        """f: what the output function makes of the network's outputs, as (B, D)."""
        output = self.output
        value = tensor_output(outputs) if output is None else output(outputs, batch)
        return _as_rows(value, common_length(batch))

    def __call__(self, batch: Batch) -> Tensor:
        """f(x): (B, D)."""
        return self.to_rows(self.outputs(batch), batch)

    def place(self, batch: Batch) -> Batch:
        """The batch on the network's device, its real numbers in the network's precision."""

        def move(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            moved = leaf.to(self.device, self.dtype if leaf.is_floating_point() else None)
            # What was made under inference_mode cannot be saved for a backward pass.
            return moved.clone() if moved.is_inference() else moved

        return tree_map(move, plain(batch))


def unwrap(model: Any) -> nn.Module:
    """The network inside torch.compile, DataParallel, DDP and PEFT wrappers.

    Raises:
        NetworkError: a ScriptModule, or something that is no ``torch.nn.Module``.
    """
    if isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        raise NetworkError(
            "expected a torch.nn.Module, got a ScriptModule, whose operators autograd cannot "
            "show; pass the module it was scripted or traced from, with load_state_dict"
        )
    if not isinstance(model, nn.Module):
        raise NetworkError(
            f"expected a torch.nn.Module, got {type(model).__name__}; "
            "wrap a function and its parameters in a module"
        )
    if hasattr(model, "_orig_mod"):
        return unwrap(model._orig_mod)
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return unwrap(model.module)
    get_base_model: Any = getattr(model, "get_base_model", None)
    if hasattr(model, "peft_config") and get_base_model is not None:
        prompt = getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False)
        return model if prompt else unwrap(get_base_model())
    return model


def tensor_output(outputs: Any) -> Tensor:
    """The one tensor a network returned: itself, or the logits of a Hugging Face output."""
    if isinstance(outputs, Tensor):
        return outputs
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else None
    logits = getattr(outputs, "logits", None) if logits is None else logits
    if isinstance(logits, Tensor):
        return logits
    what = type(outputs).__name__
    if isinstance(outputs, (tuple, list)):
        what = f"a {what} of {len(outputs)}"
    raise OutputError(
        f"expected a network that returns a tensor or has .logits, got {what}; say which part "
        "is meant, for example output=lambda outputs, batch: outputs[0]"
    )


def _as_rows(value: Any, length: int) -> Tensor:
    if not isinstance(value, Tensor):
        raise OutputError(
            f"expected the output function to return a tensor, got {type(value).__name__}"
        )
    if value.is_complex():
        raise OutputError(
            "expected real outputs, got complex ones; take torch.view_as_real(z).flatten(1), "
            "the modulus or the phase in the output function"
        )
    if not value.is_floating_point():
        raise OutputError(
            f"expected floating-point outputs, got {value.dtype}; "
            "an integer such as argmax has no gradient, return the logits"
        )
    if value.dim() == 0 or value.shape[0] != length:
        raise OutputError(
            f"expected one row per sample, shape ({length}, …), got {tuple(value.shape)}; "
            "do not average or sum over the batch (reduction='none')"
        )
    rows = value.reshape(length, -1)
    if rows.shape[1] == 0:
        raise OutputError(f"expected at least one number per sample, got {tuple(value.shape)}")
    return rows


def _in_place(
    model: nn.Module, dtype: torch.dtype | None, device: torch.device | str | None
) -> nn.Module:
    dtype = None if dtype is None else floating_type("dtype", dtype)
    device = None if device is None else present_device("device", device)
    tensors = [*model.parameters(), *model.buffers()]
    other = any(
        (dtype is not None and _counts(t) and t.dtype.to_real() != dtype)
        or (device is not None and t.device != device)
        for t in tensors
    )
    return _moved(_copied(model), dtype, device) if other else model


def _copied(model: nn.Module) -> nn.Module:
    """A deep copy, also where a hook puts a weight together that autograd has a graph of.

    Pruning and the old form of weight norm do; they put it together anew in every pass.
    """
    made = [v for m in model.modules() for v in vars(m).values() if isinstance(v, Tensor)]
    return copy.deepcopy(model, {id(v): v.detach().clone() for v in made if not v.is_leaf})


def _counts(value: Tensor) -> bool:
    """Whether it has a floating point."""
    return value.is_floating_point() or value.is_complex()


def _moved(model: nn.Module, dtype: torch.dtype | None, device: Any) -> nn.Module:
    """``model.to``, except that complex weights stay complex: there it drops what is imaginary."""
    if dtype is None:
        return model.to(device=device)

    def there(value: Tensor) -> Tensor:
        kind = dtype.to_complex() if value.is_complex() else dtype
        return value.to(device=device, dtype=kind if _counts(value) else None)

    return model._apply(there)


@contextmanager
def _differentiable_operators(model: nn.Module) -> Iterator[None]:
    """Open up operators that hide their parts: fused recurrent layers, fast paths, compilation.

    oneDNN and cuDNN are switched off inside recurrent layers alone; convolutions keep them.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        for module in model.modules():
            if isinstance(module, nn.RNNBase):
                stack.enter_context(_unfused(module))
        if any(getattr(m, "_compiled_call_impl", None) is not None for m in model.modules()):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def _unfused(module: nn.RNNBase) -> Iterator[None]:
    before: list[tuple[bool, bool]] = []

    def enter(*_: Any) -> None:
        before.append((torch._C._get_mkldnn_enabled(), torch._C._get_cudnn_enabled()))
        torch._C._set_mkldnn_enabled(False)
        torch._C._set_cudnn_enabled(False)

    def leave(*_: Any) -> None:
        if before:
            mkldnn, cudnn = before.pop()
            torch._C._set_mkldnn_enabled(mkldnn)
            torch._C._set_cudnn_enabled(cudnn)

    hooks = [
        module.register_forward_pre_hook(enter),
        module.register_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        leave()
        for hook in hooks:
            hook.remove()
