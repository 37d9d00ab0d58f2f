"""Events become features: the fold, the counters, the inputs of the ranker."""
