"""Starting what a test or the demo needs running, and ending it for certain."""
