"""The explorer: a small server on this machine that shows a run or a store in the browser."""
