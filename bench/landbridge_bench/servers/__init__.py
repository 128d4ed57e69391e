"""The servers that are compared, each as its users would write it. Each takes its port as its only argument."""
