"""A dust and noise station of a building site by HJ 212-2017; written from the standard's text, not from the parser."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


def checksum(data: bytes) -> str:
    """The standard's own: the register is shifted by a byte before the byte is mixed in."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            carry = register & 1
            register >>= 1
            if carry:
                register ^= 0xA001
    return f"{register:04X}"


def packet(segment: str) -> bytes:
    """A frame around a data segment."""
    data = segment.encode("ascii")
    return b"##" + str(len(data)).zfill(4).encode() + data + checksum(data).encode() + b"\r\n"


class DustStation:
    """Factors by code, each a value as text and its flag: `station.factors["a34002"] = ("150.2", "N")`."""

    def __init__(self, mn: str = "010000A8900016F000169DC0", *, password: str = "123456", system: str = "39") -> None:  # noqa: S107 - a virtual station's
        self.mn, self.password, self.system = mn, password, system
        self.factors: dict[str, tuple[str, str]] = {
            "a34001": ("0.217", "N"),
            "a34002": ("150.2", "N"),
            "LA": ("62.1", "N"),
        }

    def _head(self, when: datetime, command: str, flag: int) -> str:
        stamp = when.strftime("%Y%m%d%H%M%S") + f"{when.microsecond // 1000:03d}"
        return f"QN={stamp};ST={self.system};CN={command};PW={self.password};MN={self.mn};Flag={flag};"

    def realtime(self, when: datetime, data_time: datetime | None = None, *, flag: int = 5) -> bytes:
        """2011: values of now. Flag 5: version 2017, an answer is wanted."""
        inside = ";".join(f"{code}-Rtd={value},{code}-Flag={mark}" for code, (value, mark) in self.factors.items())
        stamp = (data_time or when).strftime("%Y%m%d%H%M%S")
        return packet(f"{self._head(when, '2011', flag)}CP=&&DataTime={stamp};{inside}&&")

    def means(self, when: datetime, command: str, means: Mapping[str, tuple[str, str, str]]) -> bytes:
        """2051, 2061, 2031: minimum, average, maximum."""
        inside = ";".join(
            f"{code}-Min={low},{code}-Avg={mean},{code}-Max={high},{code}-Flag=N"
            for code, (low, mean, high) in means.items()
        )
        stamp = when.strftime("%Y%m%d%H%M%S")
        return packet(f"{self._head(when, command, 5)}CP=&&DataTime={stamp};{inside}&&")

    def split(self, when: datetime, size: int) -> list[bytes]:
        """2011 in packets of `size` factors, Flag 7."""
        codes = list(self.factors)
        pieces = [codes[i : i + size] for i in range(0, len(codes), size)]
        frames = []
        for number, piece in enumerate(pieces, start=1):
            inside = ";".join(
                f"{code}-Rtd={self.factors[code][0]},{code}-Flag={self.factors[code][1]}" for code in piece
            )
            head = f"{self._head(when, '2011', 7)}PNUM={len(pieces)};PNO={number};"
            frames.append(packet(f"{head}CP=&&DataTime={when.strftime('%Y%m%d%H%M%S')};{inside}&&"))
        return frames

    def answered(self, data: bytes) -> tuple[str, str] | None:
        """Command and QN of the platform's answer; None for anything that is not one for us."""
        if data[:2] != b"##" or data[-2:] != b"\r\n" or data[2:6] != b"%04d" % (len(data) - 12):
            return None
        segment = data[6:-6]
        if checksum(segment).encode() != data[-6:-2]:
            return None
        fields = dict(part.split("=", 1) for part in segment.decode().split(";") if "=" in part)
        return (fields["CN"], fields["QN"]) if fields.get("MN") == self.mn else None
