"""Text as it comes from an endpoint -> clean text, and its tokens where nobody counted them."""

from __future__ import annotations

CHARACTERS_PER_TOKEN = 4
"""The rule of thumb for English and code; used only where an endpoint gives no count."""


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def clean(text: str) -> str:
    """Return `text` without lone surrogates, which JSON can carry but UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
