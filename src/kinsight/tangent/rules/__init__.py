"""One rule per operator family: from (saved input, output-gradient) to a parameter's share of J.

A rule is a function ``(Use) -> Block | None`` registered under the names of the autograd nodes it
understands; ``None`` means "not in this form", and the exact fallback takes over.
"""

from kinsight.tangent.rules import convolution, elementwise, normalization, products, tables
from kinsight.tangent.rules.registry import Rule, Use, register_rule, rule_for

__all__ = [
    "Rule",
    "Use",
    "convolution",
    "elementwise",
    "normalization",
    "products",
    "register_rule",
    "rule_for",
    "tables",
]
