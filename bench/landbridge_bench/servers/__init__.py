"""The servers that are compared, each as its users would write it, with its port as its only argument."""
