"""The demo: a grpc-python server nobody has to touch, and every kind of client reaching it."""
