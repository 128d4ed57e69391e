"""The clients that drive the demo; none of them is ours. Each has its rows of the table."""
