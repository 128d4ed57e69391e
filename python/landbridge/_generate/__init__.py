"""The command `landbridge generate`: `options` reads its command line, `compiling` has the `.proto` files
compiled, `command` writes what is made of them.
"""
