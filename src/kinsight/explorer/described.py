"""What the columns of a sample mean: title, group and one sentence, for people."""

from typing import NamedTuple


class Known(NamedTuple):
    """A column that kinsight wrote."""

    title: str
    group: str
    explains: str


KNOWN = {
    "label": Known("label", "labels", "The label that came with the data."),
    "planted_label": Known(
        "right label", "labels", "The right label of samples whose label was changed on purpose."
    ),
    "predicted": Known(
        "prediction", "network", "The class to which the network gives the highest score."
    ),
    "norm": Known(
        "gradient norm", "network",
        "√Tr K(x,x): how far the answer moves when the parameters move by one.",
    ),
    "rank": Known("rank", "network", "How many independent directions the answer can move in."),
    "set_apart": Known(
        "set apart", "network", "The gradient is not finite; the sample was compared with none."
    ),
    "sketch_norm": Known("sketch norm", "network", "Length of the sketch before it was made 1."),
    "density": Known(
        "density", "density",
        "How many samples it takes for this one: the sum of similarities, itself included.",
    ),
    "density_square": Known(
        "density of squares", "density", "The sum of squared similarities, itself included."
    ),
    "uncertainty": Known(
        "uncertainty", "uncertainty",
        "1 over the sum of influences: how little the other samples hold this answer.",
    ),
    "fit_count": Known("neighbours for the label", "fit", "Soft count of samples that decide it."),
    "fit_spread": Known(
        "mixture of labels", "fit", "How mixed the labels around are; 0 where all agree."
    ),
    "fit": Known(
        "fit", "fit", "Well supported, learnt by heart, in a crowd of mixed labels, or ambiguous."
    ),
    "suspect_score": Known(
        "suspicion", "suspicion", "How little the others support the label; 1 is most suspected."
    ),
    "suspect_rank": Known("rank of suspicion", "suspicion", "0 is the most suspected label."),
    "contradicted": Known("contradicted", "suspicion", "The others propose another label."),
    "proposed_label": Known("proposed label", "suspicion", "The label that the others propose."),
    "proposed_support": Known(
        "support of the proposal", "suspicion", "The part of the others’ answer for it."
    ),
    "label_off": Known("label less answer", "suspicion", "The label minus the others’ answer."),
    "neighbourhood_label": Known(
        "label around", "denoising", "The labels of the neighbours, averaged."
    ),
    "denoising_factor": Known(
        "denoising factor", "denoising", "Share of independent noise left after averaging."
    ),
    "shift": Known("shift", "denoising", "The network’s answer minus the label around."),
    "residual": Known("residual", "denoising", "The label minus the network’s answer."),
    "noise_gain": Known("noise gain", "denoising", "Share of the label’s noise in the answer."),
}  # fmt: skip
# No columns to colour by: shown with the sample, or kept under other names.
UNLISTED = frozenset(
    {"sample", "name", "id", "text", "output", "class", "map_x", "map_y", "neighbours",
     "similarity"}
)  # fmt: skip
CATEGORIES = frozenset({"label", "planted_label", "predicted", "proposed_label", "fit"})


def is_ours(name: str) -> bool:
    """Whether a column of a run or a store is one that kinsight writes."""
    return (
        name in KNOWN or name in UNLISTED or name.startswith(("count_", "density_power_", "norm."))
    )


def known(name: str, ours: bool = True) -> Known:
    """What is known of a column; ``ours``: kinsight wrote it, not the person."""
    if not ours:
        return Known(name, "yours", f"The column {name!r} that came with the data.")
    if name in KNOWN:
        return KNOWN[name]
    if name.startswith("count_"):
        least = name.removeprefix("count_")
        return Known(
            f"neighbours from {least}", "density", f"Samples with a similarity of {least} or more."
        )
    if name.startswith("density_power_"):
        power = name.removeprefix("density_power_")
        return Known(
            f"density, power {power}", "density",
            f"The sum of similarities to the power {power}: close ones count most.",
        )  # fmt: skip
    if name.startswith("norm."):
        group = name.removeprefix("norm.")
        return Known(f"gradient norm of {group}", "network", f"The part of {group} in the norm.")
    return Known(name, "other", f"The column {name!r}.")
