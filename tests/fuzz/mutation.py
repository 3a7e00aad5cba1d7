"""Fuzzing without coverage: seeds cut, joined, flipped and spliced, the same each time; runs wherever Python does."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.fuzz.targets import Target

_TELLING = (0, 1, 2, 0x7E, 0x7F, 0x80, 0xFE, 0xFF, 0x40, 0x23, 0x0A, 0x0D, 0x2C, 0x30)
_MAX_SIZE = 6000


def mutated(target: Target, seed: int) -> Iterator[bytes]:
    """Inputs without end."""
    chance = random.Random(seed)
    pool = list(target.seeds) or [b""]
    yield from pool
    while True:
        data = bytearray(chance.choice(pool))
        for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
            _mutate(data, chance, pool)
        fresh = bytes(data[:_MAX_SIZE])
        if chance.random() < 0.02 and len(pool) < 200:
            pool.append(fresh)
        yield fresh


def _mutate(data: bytearray, chance: random.Random, pool: list[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(7):
        case 0 if data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[at % len(data)] = chance.choice(_TELLING)
        case 2:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        case 3:
            del data[at : at + chance.randrange(1, 17)]
        case 4:
            data[at:at] = data[at : at + chance.randrange(1, 65)]
        case 5:
            data[at:] = chance.choice(pool)[: chance.randrange(200)]
        case _:
            data[at:at] = bytes((chance.choice(_TELLING),)) * chance.randrange(1, 40)
