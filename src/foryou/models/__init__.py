"""What training and serving both need, on numpy alone."""
