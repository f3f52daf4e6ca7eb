"""What a run or a store holds, in the formats of other tools: ``kinsight export``."""
