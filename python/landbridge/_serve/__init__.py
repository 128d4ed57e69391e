"""`landbridge serve`.

`command` reads the command line, `worker` serves, `supervisor` keeps workers running.
"""
