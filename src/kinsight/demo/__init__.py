"""A first look: real digits, a small network, a few labels flipped on purpose."""

from kinsight.demo.digits import FLIPPED, digits

__all__ = ["FLIPPED", "digits"]
