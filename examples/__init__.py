"""Services on landbridge, one in each style. Their schema is `demo/proto/talk/v1/talk.proto`."""
