"""What does foryou.v1 look like over gRPC? foryou.proto says it; `make stubs` makes the Python modules of it."""
