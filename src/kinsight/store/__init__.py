"""The folder of a store: shards of sketches that lose nothing, and the columns beside them."""
