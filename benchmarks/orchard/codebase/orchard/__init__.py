"""An orchard: trees grow, apples are sold."""
