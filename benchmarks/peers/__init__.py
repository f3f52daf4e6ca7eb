"""The benchmark against other packages: `python benchmarks/peers.py` runs it.

Results: docs/benchmark.md. `environments` installs each package where it cannot disturb the others,
`jobs` says what is computed, `networks` of which network, `worker` runs one package in a process of
its own, `methods/` asks each package for the same numbers, `race` lets them take turns, `truth`
holds their answers against float64, `bounds` says what the machine allows, `page` writes it down.

What a worker imports (`networks`, `tasks`, `methods`) needs torch alone, or less.
"""
