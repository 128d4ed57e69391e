"""The benchmarks: what is measured, on whom, under which load, and how it is judged."""
