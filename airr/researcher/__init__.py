"""Outcomes -> the next ideas: search strategies, and the prompts that ask for them."""
