"""The conformance calls as our clients make them, in an event loop and in threads."""
