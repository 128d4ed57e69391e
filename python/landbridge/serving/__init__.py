"""The native server and its settings."""

from landbridge.serving.blocking import ServerSync
from landbridge.serving.cors import Cors
from landbridge.serving.limits import Limits
from landbridge.serving.server import Application, Server
from landbridge.serving.tls import TlsConfig

__all__ = ["Application", "Cors", "Limits", "Server", "ServerSync", "TlsConfig"]
