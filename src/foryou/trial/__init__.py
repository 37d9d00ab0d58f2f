"""Which arm is better, and how sure is that? Outcomes per user, intervals that bear peeking, what-if from logs."""
