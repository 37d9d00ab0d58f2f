"""Which object does each setting become? The only folder that names backends and puts the parts together."""
