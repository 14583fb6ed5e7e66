"""What an endpoint answered instead of an answer -> who has to act on it.

waiting mends it (`Transient`), a shorter prompt does (`ContextTooLong`), or the user must.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from airr.errors import AirrError, ProviderError
from airr.llm.protocol import ContextTooLong
from airr.llm.retry import Transient

TOO_LONG = re.compile(
    r"prompt is too long|context[ _](length|window|limit)|exceeds? the (maximum|model's) context",
    re.IGNORECASE,
)
OUT_OF_MONEY = re.compile(r"insufficient_quota|billing|credit balance|spend_limit", re.IGNORECASE)
OVERLOADED = frozenset({429, 503, 529})
TRANSIENT = frozenset({408, 409, 425, 499})
STREAMED_STATUS: Mapping[str, int] = {
    "authentication_error": 401,
    "billing_error": 402,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "request_too_large": 413,
    "timeout_error": 504,
}
"""An error inside a stream comes under HTTP 200: its type says which status it would have had."""


CHECK_SECONDS = 10.0
"""How long a look at a model's description may take: what comes later says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go, in the words of an error message, and the key that none may quote."""

    name: str
    url: str
    key_variable: str
    key: str = field(repr=False)

    def without_key(self, text: str) -> str:
        """Return what an endpoint said without the key, which some quote back."""
        return text.replace(self.key, f"[{self.key_variable}]") if self.key else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error response. `code` is its machine-readable type, `retry_after` in seconds."""

    status: int
    code: str
    message: str
    retry_after: float


def status_in_stream(kind: str | None) -> int:
    """Return the HTTP status that an error of this type would have had before the stream began."""
    return STREAMED_STATUS.get(kind or "", 500)


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a response asks to be left alone; 0 where it names none."""
    try:
        return max(0.0, float(headers.get("retry-after", "0")))
    except ValueError:
        return 0.0  # a date: no model endpoint sends one


def is_final(error: Exception, *, hosted: bool) -> bool:
    """Tell whether what answered a look at a model's description refuses every question too.

    A key may be good for questions and not for that (OpenAI's scopes), and what stands in for a
    provider may have no descriptions.
    """
    status = getattr(error, "status_code", None)
    lacks_scope = "scope" in str(error).lower()
    return (status == 401 and not lacks_scope) or (status == 404 and hosted)


def fault_of(refusal: Refusal, endpoint: Endpoint, model: str) -> Transient | AirrError:
    """Return what to raise for an error response."""
    refusal = replace(refusal, message=endpoint.without_key(refusal.message))
    words = f"{refusal.code} {refusal.message}"
    if refusal.status in (400, 413, 422) and (refusal.status == 413 or TOO_LONG.search(words)):
        return ContextTooLong(
            f"{endpoint.name}: the prompt is too long for {model} ({refusal.message})"
        )
    if refusal.status == 402 or (refusal.status < 500 and OUT_OF_MONEY.search(words)):
        return ProviderError(
            f"{endpoint.name} wants payment before it answers ({refusal.message}): mend the "
            f"account behind {endpoint.key_variable}, then start the same command again"
        )
    if refusal.status >= 500 or refusal.status == 429 or refusal.status in TRANSIENT:
        return Transient(
            f"{endpoint.name} answered HTTP {refusal.status} ({refusal.message})",
            retry_after=refusal.retry_after,
            overloaded=refusal.status in OVERLOADED,
        )
    return _for_the_user(refusal, endpoint, model)


def _for_the_user(refusal: Refusal, endpoint: Endpoint, model: str) -> ProviderError:
    if refusal.status == 401:  # its words may quote the key
        return ProviderError(
            f"{endpoint.name} at {endpoint.url} does not accept the key in "
            f"{endpoint.key_variable}: set a valid one and start the same command again; "
            "nothing is lost"
        )
    if refusal.status == 404:
        return ProviderError(
            f"{endpoint.name} at {endpoint.url} does not know model {model!r} ({refusal.message}): "
            "correct the name of the model, or llm.base_url"
        )
    return ProviderError(
        f"{endpoint.name} at {endpoint.url} refused a request to {model} with HTTP "
        f"{refusal.status} ({refusal.message}): correct the setting that it names"
    )
