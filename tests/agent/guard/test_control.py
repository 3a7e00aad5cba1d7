"""The local socket: questions answered, acts only for operators, and nothing that a peer sends can hurt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.guard.control import LONGEST_LINE, MOST_CONNECTIONS, Control, seconds_of, text_of
from agent.records import Lane, Record, Stamp
from rules.alarm import NotPossible

STAMP = Stamp("boot", 1, 2, "untrusted")


def _refuse(_request: Any, _who: str) -> Any:
    raise NotPossible("it is normal; only an active alarm can be silenced")


async def _yes() -> bool:
    return True


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Control]:
    control = Control(
        path,
        {"status": lambda _: {"up": True}, "need": lambda request: text_of(request, "name")},
        {"ack": lambda request, who: [who, text_of(request, "alarm")], "silence": _refuse},
        {"link": lambda _request, who: who},
        durable=_yes,
    )
    task = asyncio.create_task(control.run())
    while not path.exists():
        await asyncio.sleep(0.01)
    try:
        yield control
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def say(path: Path, data: bytes) -> list[Any]:
    """Everything that is answered to some bytes."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    with suppress(OSError):
        writer.write_eof()
    answers = []
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            answers = [json.loads(line) async for line in reader]
    writer.close()
    return answers


def ask(path: Path, *lines: bytes) -> list[Any]:
    async def play() -> list[Any]:
        async with serving(path):
            return await say(path, b"\n".join(lines) + b"\n")

    return asyncio.run(play())


def test_questions_and_acts_are_answered_in_turn(tmp_path: Path) -> None:
    answers = ask(tmp_path / "s", b'{"do": "status"}', b'{"do": "ack", "alarm": "flood"}', b'{"do": "silence"}')
    assert answers[0] == {"ok": True, "result": {"up": True}}
    assert answers[1]["ok"] is True
    assert answers[1]["durable"] is True
    assert answers[1]["result"][1] == "flood"
    assert answers[2] == {"ok": False, "error": "it is normal; only an active alarm can be silenced"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"do": "explode"}', "known are: ack, follow, link, need, silence, status"),
        (b'{"do": "need"}', "'name' must be a text"),
        (b"[1, 2]", "not a JSON object"),
        (b"{nonsense", "not one JSON object"),
        (b"[" * 5000, "not one JSON object"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, line: bytes, told: str) -> None:
    assert told in ask(tmp_path / "s", line)[0]["error"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=400), max_size=4))
def test_no_bytes_hurt(tmp_path: Path, junk: list[bytes]) -> None:
    async def play() -> Any:
        async with serving(tmp_path / "s"):
            await say(tmp_path / "s", b"\n".join(junk))
            return await say(tmp_path / "s", b'{"do": "status"}\n')

    assert asyncio.run(play()) == [{"ok": True, "result": {"up": True}}]


def test_a_line_without_end_and_too_many_peers_are_cut_off(tmp_path: Path) -> None:
    async def play() -> None:
        path = tmp_path / "s"
        async with serving(path):
            assert await say(path, b"x" * (LONGEST_LINE * 2)) == []
            peers = [await asyncio.open_unix_connection(path) for _ in range(MOST_CONNECTIONS)]
            assert "connections" in (await say(path, b""))[0]["error"]
            for _, writer in peers:
                writer.close()
            await asyncio.sleep(0.1)
            assert (await say(path, b'{"do": "status"}\n'))[0]["ok"]

    asyncio.run(play())


def test_followers_get_every_record_and_a_sleeping_one_is_dropped(tmp_path: Path) -> None:
    async def play() -> None:
        path = tmp_path / "s"
        async with serving(path) as control:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"do": "follow"}\n')
            assert json.loads(await reader.readline())["ok"]
            for number in range(5):
                control.publish(Record(Lane.ALARM, "alarm", STAMP, {"n": number}))
            got = [json.loads(await reader.readline())["record"]["body"]["n"] for _ in range(5)]
            assert got == [0, 1, 2, 3, 4]
            for number in range(50_000):  # nobody reads: the agent must not keep them all
                control.publish(Record(Lane.ALARM, "alarm", STAMP, {"n": number}))
            assert not control._followers
            writer.close()

    asyncio.run(play())


def test_followers_that_hang_up_in_a_quiet_time_leave_room_for_others(tmp_path: Path) -> None:
    async def play() -> None:
        path = tmp_path / "s"
        async with serving(path) as control:
            for _ in range(3 * MOST_CONNECTIONS):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(b'{"do": "follow"}\n')
                assert json.loads(await reader.readline())["ok"]
                writer.close()
                await writer.wait_closed()
                await asyncio.sleep(0.01)
            assert (await say(path, b'{"do": "status"}\n'))[0]["ok"]
            assert not control._followers

    asyncio.run(play())


def test_seconds_are_finite_positive_numbers() -> None:
    assert seconds_of({"for_s": 5}, "for_s") == 5.0
    for wrong in (None, True, "5", -1, 0, float("nan"), 1e9):
        with pytest.raises(ValueError, match="seconds above 0"):
            seconds_of({"for_s": wrong}, "for_s")
