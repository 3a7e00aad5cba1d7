"""Questions of the platform: checked, rate-limited, answered or passed on to guard. Changes nothing, obeys nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, ValidationError

from agent.link.messages import LIMIT_BYTES, Ask, dump, finite
from agent.link.outbox import Outbox
from agent.link.ranges import Ranges
from agent.link.session import Incoming
from agent.link.topics import answer_topic
from agent.records import SCHEMA_VERSION

_RATE = 5.0  # questions a second
_BURST = 20.0
_PENDING = 40


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, ready to be published."""

    topic: str
    payload: bytes
    correlation: bytes | None = None


@dataclass(slots=True)
class _Asked:
    ask_id: str | None
    topic: str
    correlation: bytes | None
    what: str


@dataclass(slots=True)
class AskDesk:
    """Takes questions and gives replies. `pass_on` hands a request to guard under a number."""

    site: str
    outbox: Outbox
    state: Callable[[], dict[str, Any]]
    pass_on: Callable[[int, dict[str, Any]], bool]
    ignored: int = 0  # retained, too many, or not fit to be answered
    _tokens: float = _BURST
    _tokens_s: float = 0.0
    _number: int = 0
    _pending: dict[int, _Asked] = field(default_factory=dict)

    def take(self, message: Incoming, now_s: float) -> Reply | None:
        """The reply to a question, None when guard is asked first or the question is dropped."""
        self._tokens = min(_BURST, self._tokens + (now_s - self._tokens_s) * _RATE)
        self._tokens_s = now_s
        if message.retain or self._tokens < 1:
            self.ignored += 1
            return None
        self._tokens -= 1
        try:
            topic = answer_topic(self.site, message.response_topic)
        except ValueError:
            self.ignored += 1
            return None
        sender = _sender(message.payload)
        asked = _Asked(sender.id, topic, message.correlation, "")
        if message.response_topic is None and sender.reply_to is not None:
            try:
                asked.topic = answer_topic(self.site, sender.reply_to)
            except ValueError as error:
                return self._reply(asked, error=str(error))
        try:
            ask = Ask.model_validate_json(message.payload)
        except ValidationError as error:
            return self._reply(asked, error=_in_words(error))
        asked.what = ask.what
        if ask.what == "records":
            return self._send_again(asked, ask)
        return self._ask_guard(asked, ask)

    def answered(self, number: int, reply: dict[str, Any] | None) -> Reply | None:
        """Guard's word on a question that was passed on; None: it is not there."""
        asked = self._pending.pop(number, None)
        if asked is None:
            return None
        good = reply is not None and reply.get("ok") is True
        if asked.what == "status":  # the link's own part is known in any case
            return self._reply(
                asked, result={"link": self.state(), "guard": reply.get("result") if good and reply else None}
            )
        if good and reply is not None:
            return self._reply(asked, result=reply.get("result"))
        if reply is None:
            return self._reply(asked, error="guard does not answer on its control socket")
        return self._reply(asked, error=str(reply.get("error", "guard refused the question"))[:1000])

    def _ask_guard(self, asked: _Asked, ask: Ask) -> Reply | None:
        request: dict[str, Any] = {"do": ask.what}
        if ask.what.startswith("device/"):
            request = {"do": "device", "id": ask.what.removeprefix("device/")}
        elif ask.what == "history":
            request["args"] = finite(ask.args)
        self._number += 1
        self._pending[self._number] = asked
        if len(self._pending) <= _PENDING and self.pass_on(self._number, request):
            return None
        return self.answered(self._number, None)

    def _send_again(self, asked: _Asked, ask: Ask) -> Reply:
        if ask.epoch is None or ask.first is None or ask.last is None or ask.first > ask.last:
            return self._reply(asked, error='"records" needs epoch, from and to, with from <= to')
        looked = self.outbox.reopen(ask.epoch, ask.first, ask.last)
        found, upto = looked if looked is not None else (Ranges(), ask.last)  # that file is gone, and all it held
        result = {
            "epoch": ask.epoch,
            "upto": upto,  # looked into so far: ask for the rest, if there is any
            "sending": list(found),
            "missing": found.missing(ask.first, upto),  # nothing will ever come for these
        }
        return self._reply(asked, result=result)

    def _reply(self, asked: _Asked, *, result: Any = None, error: str | None = None) -> Reply:
        head = {"v": SCHEMA_VERSION, "site": self.site, "id": asked.ask_id, "ok": error is None}
        payload = dump({**head, "error": error} if error is not None else {**head, "result": finite(result)})
        if len(payload) > LIMIT_BYTES:
            text = f"the answer has {len(payload)} bytes, {LIMIT_BYTES} are allowed: ask for less"
            payload = dump({**head, "ok": False, "error": text})
        return Reply(asked.topic, payload, asked.correlation)


class _Sender(BaseModel):
    # Read apart from the question: who asks wrongly must hear what is wrong, at the place they listen to.
    id: Annotated[str, StringConstraints(max_length=100)] | None = None
    reply_to: Annotated[str, StringConstraints(max_length=400)] | None = None


def _sender(payload: bytes) -> _Sender:
    try:
        return _Sender.model_validate_json(payload)
    except ValidationError:
        return _Sender()


def _in_words(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'message'}: {e['msg']}" for e in error.errors()[:5])[:1000]
