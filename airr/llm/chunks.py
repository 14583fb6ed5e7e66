"""The chunks of a streamed chat completion -> a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from airr.llm.protocol import Completion, Request, StopReason, Usage
from airr.llm.streams import count_in, on_trust, text_in
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
        """Take in the next chunk; the last one has the usage, and no choices.

        Raises:
            Transient: it is no chunk of a chat completion.
        """
        with on_trust():
            self._model = text_in(chunk.model) or self._model
            self._usage = chunk.usage or self._usage
            for choice in chunk.choices or ():  # some servers have null for none
                self._finish = text_in(choice.finish_reason) or self._finish
                if choice.delta is not None:  # pyright: ignore[reportUnnecessaryComparison]
                    self._text.append(text_in(choice.delta.content))
                    self._refusal.append(text_in(choice.delta.refusal))
                    self._thinking.append(_thinking(choice.delta))

    def completion(self, request: Request) -> Completion:
        """Return the whole answer.

        Raises:
            Transient: it counts its tokens in some other way than the API.
        """
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
        usage = self._usage
        if usage is None:
            asked = request.system + "".join(message.text for message in request.messages)
            written = estimated_tokens("".join(self._text))
            return Usage(
                input_tokens=estimated_tokens(asked),
                output_tokens=written + thinking_estimate,
                thinking_tokens=thinking_estimate,
            )
        with on_trust():
            return _usage(usage, thinking_estimate)


def _thinking(delta: ChoiceDelta) -> str:
    extra = delta.model_extra or {}
    return next((text_in(extra[name]) for name in THINKING_FIELDS if extra.get(name)), "")


def _usage(usage: CompletionUsage, thinking_estimate: int) -> Usage:
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    read = count_in(prompt.cached_tokens if prompt else None)
    written = count_in(prompt.cache_write_tokens if prompt else None)
    counted = output.reasoning_tokens if output else None
    completed = count_in(usage.completion_tokens)
    return Usage(
        input_tokens=max(0, count_in(usage.prompt_tokens) - read - written),
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=completed,
        thinking_tokens=min(thinking_estimate if counted is None else count_in(counted), completed),
    )
