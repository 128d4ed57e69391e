"""What users rely on, asked of a real bridge by real peers.

Each file is about one promise; the names of the tests say what is promised. The clients are grpcio,
connectrpc, httpx and curl; the servers behind the bridge are grpc-python, and a bare HTTP/2 peer where a
server has to misbehave.
"""
