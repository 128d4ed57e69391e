"""The command `landbridge call`, against servers in grpcio, behind the bridge, and on landbridge."""
