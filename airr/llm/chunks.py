"""The chunks of a streamed chat completion -> a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from airr.llm.protocol import Completion, Request, StopReason, Usage
from airr.llm.tokens import clean, estimated_tokens

STOP_REASONS: Mapping[str | None, StopReason] = {
    "length": StopReason.MAX_TOKENS,
    "content_filter": StopReason.REFUSAL,
}
THINKING_FIELDS = ("reasoning_content", "reasoning")
"""Where servers of open models put what a model thought; OpenAI itself keeps it back."""


class Chunks:
    """What has arrived of one answer."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._usage: CompletionUsage | None = None
        self._model = ""

    @property
    def has_begun(self) -> bool:
        """Tell whether anything has arrived."""
        return bool(self._model)

    @property
    def is_whole(self) -> bool:
        """Tell whether the model came to its end, rather than the connection."""
        return self._finish is not None

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Take in the next chunk; the last one has the usage, and no choices."""
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            self._text.append(choice.delta.content or "")
            self._refusal.append(choice.delta.refusal or "")
            self._thinking.append(_thinking(choice.delta))
            self._finish = choice.finish_reason or self._finish

    def completion(self, request: Request) -> Completion:
        """Return the whole answer."""
        refusal = "".join(self._refusal)
        stop = STOP_REASONS.get(self._finish, StopReason.END)
        return Completion(
            text=clean("".join(self._text)),
            thinking=clean("".join(self._thinking)),
            stop_reason=StopReason.REFUSAL if refusal else stop,
            stop_detail=clean(refusal),
            model=self._model or request.model,
            usage=self._billed(request),
        )

    def _billed(self, request: Request) -> Usage:
        thinking_estimate = estimated_tokens("".join(self._thinking))
        if self._usage is None:
            asked = request.system + "".join(message.text for message in request.messages)
            written = estimated_tokens("".join(self._text))
            return Usage(
                input_tokens=estimated_tokens(asked),
                output_tokens=written + thinking_estimate,
                thinking_tokens=thinking_estimate,
            )
        return _usage(self._usage, thinking_estimate)


def _thinking(delta: ChoiceDelta) -> str:
    extra = delta.model_extra or {}
    return next((str(extra[name]) for name in THINKING_FIELDS if extra.get(name)), "")


def _usage(usage: CompletionUsage, thinking_estimate: int) -> Usage:
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    read = (prompt.cached_tokens if prompt else None) or 0
    written = (prompt.cache_write_tokens if prompt else None) or 0
    counted = output.reasoning_tokens if output else None
    estimate = min(thinking_estimate, usage.completion_tokens)
    return Usage(
        input_tokens=max(0, usage.prompt_tokens - read - written),
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=usage.completion_tokens,
        thinking_tokens=estimate if counted is None else counted,
    )
