"""Requests to language models, and their answers: one small protocol, three providers."""
