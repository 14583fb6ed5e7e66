"""What each Claude model accepts of thinking and sampling; the rest is refused with HTTP 400.

From Anthropic's migration guides and the notes of API version 2026-10-21, as of November 2026:
thinking by budget up to 4.5, adaptive from 4.6; temperature up to 4.6, never while thinking, and
only under the older API version; from 5 on a model thinks unless told not to, and some always do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airr.llm.effort import effort_of
from airr.llm.protocol import Request

SHORTEST_BUDGET = 1024
ALWAYS_ROOM = 8192
"""Tokens set aside for thinking whose length a model chooses itself: it counts as output."""
SAMPLING_API = "2023-06-01"
"""The API version that still takes a temperature; the SDK's own refuses the field."""
WITHOUT_THINKING: Mapping[str, str] = {
    "claude-opus-5": "disabled",
    "claude-sonnet-5": "disabled",
    "claude-haiku-5-5": "disabled",
    "claude-sonnet-5-5": "between_tools",
}
"""How thinking is turned off, for the models from 5 on that allow it."""
VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2}))?(?!\d)")
NEWEST = (99, 0)


def version_of(model: str) -> tuple[int, int]:
    """Return a model's major and minor version; one without a number counts as the newest."""
    match = VERSION.match(model)
    return (int(match[1]), int(match[2] or 0)) if match else NEWEST


def takes_temperature(request: Request) -> bool:
    """Tell whether the model would accept the request's temperature."""
    return request.thinking_tokens == 0 and version_of(request.model) <= (4, 6)


def thinking_settings(request: Request) -> dict[str, Any]:
    """Return the fields of a Messages request that govern thinking, `max_tokens` among them.

    Where a model takes no budget, the budget becomes an effort.
    """
    if version_of(request.model) <= (4, 5):
        return _budgeted(request)
    if request.thinking_tokens:
        room = max(ALWAYS_ROOM, 2 * request.thinking_tokens)
        return {
            "max_tokens": request.max_tokens + room,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": effort_of(request.thinking_tokens)},
        }
    if version_of(request.model) < (5, 0):
        return {"max_tokens": request.max_tokens}
    if request.model in WITHOUT_THINKING:
        kind = WITHOUT_THINKING[request.model]
        return {"max_tokens": request.max_tokens, "thinking": {"type": kind}}
    return {
        "max_tokens": request.max_tokens + ALWAYS_ROOM,
        "output_config": {"effort": "low"},
    }


def _budgeted(request: Request) -> dict[str, Any]:
    if request.thinking_tokens == 0:
        return {"max_tokens": request.max_tokens}
    budget = max(SHORTEST_BUDGET, request.thinking_tokens)
    return {
        "max_tokens": request.max_tokens + budget,
        "thinking": {"type": "enabled", "budget_tokens": budget},
    }
