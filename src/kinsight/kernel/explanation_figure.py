"""The figure of an explanation: shares of the layers as bars, heat-maps over both inputs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from kinsight.drawing.style import INK, house_style, new_figure
from kinsight.kernel.placing import channels_last, with_places

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_BARS = 24
_FULL_COLOUR = 0.99  # the share of places that have less than full colour
_FOR, _AGAINST = "#b2182b", "#2166ac"  # the two ends of the colours of the heat-maps


def draw(
    shares: dict[str, float], heats: Mapping[str, tuple[Tensor, float]], inputs: Mapping[str, Any]
) -> "Figure":
    """Bars, and a panel for each input that has places. No global state of matplotlib is used.

    Args:
        shares: of each parameter, in the network's order.
        heats: by side "x" and "y", the heat-map and what has no place; those that can be shown.
        inputs: by side, a batch of one.
    """
    panels = 1 + len(heats)
    figure, (first, *others) = new_figure(
        panels,
        5.0 / panels + 3.4 * len(heats) / panels,
        4.2,
        width_ratios=[1.4, *[1.0] * len(heats)],
    )
    _bars(first, shares)
    full = max((_full_colour(values) for values, _ in heats.values()), default=0.0)
    for axes, (side, (values, placeless)) in zip(others, heats.items(), strict=True):
        show_heat(axes, values, picture_of(inputs[side]), full)
        axes.set_title(f"{side}: {values.sum():.3f} placed, {placeless:.3f} not")
    return figure


def show_heat(axes: Any, heat: Tensor, picture: Tensor | None, largest: float = 0.0) -> None:
    """A heat-map over its picture: red for, blue against; of tokens as bars.

    Args:
        axes: of matplotlib.
        heat: (H, W) or (T,).
        picture: (H, W, 3) in [0, 1], or None.
        largest: the value that has full colour; default that of one place in a hundred.
    """
    largest = largest or _full_colour(heat) or 1.0
    if heat.dim() == 1:
        colours = [_FOR if value > 0 else _AGAINST for value in heat.tolist()]
        axes.bar(range(len(heat)), heat.tolist(), color=colours)
        axes.set_xlabel("position")
        axes.set_ylabel("share")
        return
    axes.set_axis_off()
    strength = (heat.abs() / largest).clamp(0, 1).sqrt().numpy() * 0.85
    if picture is not None:
        axes.imshow(picture.mean(2).numpy(), cmap="gray", vmin=-0.2, vmax=1.2)
        axes.imshow(heat.numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest, alpha=strength)
    else:
        axes.imshow(heat.numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest)


def picture_of(batch: Any) -> Tensor | None:
    """The image in a batch of one as (H, W, 3) from 0 to 1, stretched; None if it is no image."""
    value = with_places(batch)
    if value is None or value.dim() != 4:
        return None
    image = value[0].detach().double().cpu()
    image = image if channels_last(value) else image.movedim(0, -1)  # (H, W, C)
    if image.shape[2] != 3:
        image = image.mean(2, keepdim=True).expand(-1, -1, 3)
    low, high = image.min(), image.max()
    return (image - low) / (high - low).clamp_min(1e-12)


def _full_colour(heat: Tensor) -> float:
    return float(heat.abs().flatten().kthvalue(max(1, int(_FULL_COLOUR * heat.numel()))).values)


def _bars(axes: Any, given: dict[str, float]) -> None:
    """One bar a layer, its parameters together, in the network's order; small ones as one."""
    shares: dict[str, float] = {}
    for parameter, share in given.items():
        name = parameter.rpartition(".")[0] or parameter
        shares[name] = shares.get(name, 0.0) + share
    shown = sorted(shares, key=lambda name: -abs(shares[name]))[:_MOST_BARS]
    bars = {name: share for name, share in shares.items() if name in shown}
    if len(bars) < len(shares):
        bars[f"{len(shares) - len(bars)} others"] = sum(shares.values()) - sum(bars.values())
    values = list(bars.values())
    axes.barh(range(len(bars)), values, color=[_FOR if v > 0 else _AGAINST for v in values])
    with house_style():
        axes.set_yticks(range(len(bars)), list(bars), fontsize=7)
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("share of the similarity")
    axes.set_title(f"similarity {sum(shares.values()):.3f}")
