"""What runs on a node: train in a sandbox against a clock, score sealed, record once."""
