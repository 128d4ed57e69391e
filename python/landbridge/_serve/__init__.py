"""`landbridge serve`.

`command` reads the command line, `worker` serves, `supervisor` keeps workers running: each in one of its
`places`, in talk with it by a `channel`.
"""
