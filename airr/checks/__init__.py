"""Is this site usable, and is this an environment that a campaign may trust? Answers as data."""
