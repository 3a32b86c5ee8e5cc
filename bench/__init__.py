"""The benchmarks: how fast copies are handed over, against C programs that do nothing else. ``make bench`` runs them."""
