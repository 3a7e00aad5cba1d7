"""What can go wrong with an answer, and how often; it shapes bytes and times and must not open anything.

    plan = FaultPlan({Fault.SILENT: 0.1, Fault.LATE: 0.05}, seed=7)      # chances for each request
    plan = FaultPlan(script=[None, Fault.WRONG_CRC, Fault.WRONG_CRC])    # first good, then two bad, then `chances`
    line.faults[3] = plan                                                # for unit id 3

On Modbus TCP, where there is no CRC, WRONG_CRC spoils the protocol id instead; the TRANSACTION and RESET faults exist
only there and are SILENT on a serial line.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hil.codec import Framing, Mbap


class Fault(StrEnum):
    """One way for an answer to go wrong."""

    SILENT = "silent"  # no answer
    LATE = "late"  # the right answer, `late_s` too late
    GARBAGE = "garbage"  # random bytes, as many as the answer has
    WRONG_UNIT = "wrong-unit"  # a good frame of another unit id
    WRONG_CRC = "wrong-crc"
    WRONG_FUNCTION = "wrong-function"  # a good frame: 03 answered with 04 and so on
    SHORT = "short"  # a good frame with one register (or byte of bits) too few
    LONG = "long"  # a good frame with one too many
    TRUNCATED = "truncated"  # the frame stops half-way
    NOISE = "noise"  # three random bytes, then the good frame
    SPLIT = "split"  # the good frame in two halves, `split_s` between them
    ECHO = "echo"  # the request comes back first, as through an RS-485 adapter that hears itself
    BABBLE = "babble"  # `babble_bytes` of random bytes without a pause
    EXCEPTION = "exception"  # an exception reply with `exception_code`
    TRANSACTION = "transaction"  # TCP: the transaction id of another request
    RESET = "reset"  # TCP: the connection is reset


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer, about to be spoiled."""

    unit_id: int
    pdu: bytes
    request_frame: bytes
    framing: Framing

    @property
    def frame(self) -> bytes:
        """As it would have been sent."""
        return self.framing.frame(self.unit_id, self.pdu)


@dataclass(frozen=True, slots=True)
class Emission:
    """Bytes to send `after_s` later than a good answer would have begun."""

    data: bytes
    after_s: float = 0.0
    reset: bool = False  # TCP: reset the connection instead


class FaultPlan:
    """Which faults the answers of one unit suffer: first `script`, one entry a request, then by `chances`."""

    def __init__(
        self,
        chances: Mapping[Fault, float] | None = None,
        *,
        script: Sequence[Fault | None] = (),
        seed: int = 1,
        late_s: float = 0.3,
        split_s: float = 0.15,
        babble_bytes: int = 500,
        exception_code: int = 4,
    ) -> None:
        self.chances = dict(chances or {})
        if sum(self.chances.values()) > 1 + 1e-9:
            raise ValueError(f"the chances add up to {sum(self.chances.values()):g}, at most 1 is possible")
        self.late_s = late_s
        self.split_s = split_s
        self.babble_bytes = babble_bytes
        self.exception_code = exception_code
        self.counts: Counter[Fault] = Counter()
        self._script = list(script)
        self._random = random.Random(seed)

    @classmethod
    def always(cls, fault: Fault, **options: float) -> FaultPlan:
        """Every answer suffers `fault`."""
        return cls({fault: 1.0}, **options)  # type: ignore[arg-type] # options are the keywords of __init__

    def draw(self) -> Fault | None:
        """The fault of the next answer."""
        fault = self._script.pop(0) if self._script else self._by_chance()
        if fault is not None:
            self.counts[fault] += 1
        return fault

    def _by_chance(self) -> Fault | None:
        roll = self._random.random()
        for fault, chance in self.chances.items():
            roll -= chance
            if roll < 0:
                return fault
        return None

    def emit(self, fault: Fault | None, reply: Reply) -> list[Emission]:
        """What goes on the wire instead of the good answer."""
        frame = reply.frame
        match fault:
            case None:
                return [Emission(frame)]
            case Fault.SILENT:
                return []
            case Fault.LATE:
                return [Emission(frame, self.late_s)]
            case Fault.NOISE:
                return [Emission(self._random.randbytes(3) + frame)]
            case Fault.SPLIT:
                half = len(frame) // 2
                return [Emission(frame[:half]), Emission(frame[half:], self.split_s)]
            case Fault.ECHO:
                return [Emission(reply.request_frame + frame)]
            case Fault.RESET:
                return [Emission(b"", reset=True)]
            case Fault.TRANSACTION:
                return self._other_transaction(reply)
            case _:
                return [Emission(self._spoiled(fault, reply))]

    def _spoiled(self, fault: Fault, reply: Reply) -> bytes:
        frame, framing, unit_id, pdu = reply.frame, reply.framing, reply.unit_id, reply.pdu
        match fault:
            case Fault.GARBAGE:
                return self._random.randbytes(len(frame))
            case Fault.BABBLE:
                return self._random.randbytes(self.babble_bytes)
            case Fault.WRONG_UNIT:
                return framing.frame(unit_id % 247 + 1, pdu)
            case Fault.WRONG_CRC:
                return framing.spoil(frame)
            case Fault.TRUNCATED:
                return frame[: max(1, len(frame) // 2)]
            case Fault.WRONG_FUNCTION:
                return framing.frame(unit_id, bytes([_neighbour(pdu[0])]) + pdu[1:])
            case Fault.SHORT | Fault.LONG:
                return framing.frame(unit_id, _resized(pdu, longer=fault is Fault.LONG))
            case _:
                return framing.frame(unit_id, bytes([pdu[0] & 0x7F | 0x80, self.exception_code]))

    @staticmethod
    def _other_transaction(reply: Reply) -> list[Emission]:
        if not isinstance(reply.framing, Mbap):
            return []
        other = Mbap((reply.framing.transaction + 1) & 0xFFFF)
        return [Emission(other.frame(reply.unit_id, reply.pdu))]


def _neighbour(function: int) -> int:
    # Functions that come in pairs: 1/2, 3/4, 5/6, 15/16; the answer of the other one has the same layout.
    return function + 1 if function % 2 else function - 1


def _resized(pdu: bytes, *, longer: bool) -> bytes:
    step = 1 if pdu[0] in {1, 2} else 2
    if pdu[0] > 4:  # writes carry no byte count
        return pdu + b"\x00" * step if longer else pdu[:-step]
    body = pdu[2:] + b"\x00" * step if longer else pdu[2:-step]
    return bytes([pdu[0], len(body)]) + body
