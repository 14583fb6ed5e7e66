"""A campaign's ledger, mirrored to Weights & Biases."""
