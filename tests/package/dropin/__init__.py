"""An application that was written for Connect-Python, as it is."""
