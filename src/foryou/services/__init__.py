"""Which servers does a developer need beside foryou? Started, looked at and stopped on this machine; none in use."""
