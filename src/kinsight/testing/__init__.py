"""What somebody who extends kinsight tests against: contracts to subclass, shipped with it."""

from kinsight.testing.rule_contract import RuleContract

__all__ = ["RuleContract"]
