# EVOLVE-BLOCK-START
def value():
    """Return a number that is to become small."""
    return 2.0


# EVOLVE-BLOCK-END
