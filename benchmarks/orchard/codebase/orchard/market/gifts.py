"""Apples that are given away."""


def share(apples: float) -> float:
	"""Return what is left to sell."""
	given = 0.1 * apples
	if given < 1.0:
		given = 0.0
	return apples - given
