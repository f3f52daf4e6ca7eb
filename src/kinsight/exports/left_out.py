"""What a format cannot hold, said in words: nothing is lost in silence."""

from collections.abc import Collection

from kinsight.exports.material import Material

WORDS = {
    "output": "the network's outputs",
    "map": "the map",
    "neighbours": "nearest samples",
    "features": "tangent features",
    "decisions": "decisions",
    "text": "texts",
    "beside": "nearest samples by last layer and raw input",
    "pictures": "pictures",
    "signals": "waveforms",
    "inputs": "rows of the table",
    "explanations": "explanations of pairs",
}


def left_out(material: Material, holds: Collection[str]) -> list[str]:
    """One sentence on what there is and ``holds`` does not name; none where nothing is lost."""
    lost = [word for name, word in WORDS.items() if name in material.present and name not in holds]
    if not lost:
        return []
    return [f"not in this format, and kept where they are: {', '.join(lost)}"]


def elsewhere(material: Material) -> list[str]:
    """A sentence on decisions about other data."""
    count = material.elsewhere
    return [f"{count:,} decisions are about other data and left out"] if count else []


def some(count: int, of: int) -> str:
    """``3 of 40 samples``."""
    return f"{count:,} of {of:,} samples"
