"""The clients that are compared, each as its users would write it.

Each takes the port of the echo, what to do (`unary` or `flood`), how many calls at once, and for how
many seconds; it prints what that came to as JSON.
"""
