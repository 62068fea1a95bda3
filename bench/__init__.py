"""Measures what the README claims; `make bench` runs it and writes docs/benchmarks.md."""
