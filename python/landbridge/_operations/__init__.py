"""What an application does with a call, whoever carries it.

`calls` says what a call is, `operation` what a method is, `chain` puts interceptors around it, `on_threads`
keeps blocking handlers out of an event loop (`beside` says what that needs of one, `handler_threads` where
they run), `run_async` and `run_sync` run one call from its first byte to its end.
"""
