"""A raw line itself: a converter in the network, pieces of any size, two programs on one port, nothing left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.api import DriverError, NotPresent
from drivers.buses import open_bus
from drivers.line import LineDriver
from drivers.modbus import LineSection
from drivers.patterns import LineFinder, compile_pattern
from hil.devices.speakers import RainLine, SdiAdapter, SdiSensor
from hil.spoken import SpokenLine


class Converter:
    """Passes bytes on between a TCP connection and an instrument."""

    def __init__(self, speaker) -> None:
        self.speaker = speaker
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", getattr(self, "port", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        waiting = b""
        while data := await reader.read(100):
            waiting += data
            used, answers = self.speaker.hear(waiting)
            waiting = waiting[used:]
            for answer in answers:
                for byte in answer.data:  # as slow converters do
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)


def test_a_converter_in_the_network_that_goes_and_comes_back(run):
    async def check() -> None:
        converter = Converter(SdiAdapter(SdiSensor("0", (1.5,))))
        async with converter:
            table = {"host": "127.0.0.1", "port": converter.port, "framing": "raw"}
            async with open_bus("test", LineSection.model_validate(table)) as line:
                section = LineDriver.Section(map="sdi12-one-value", max_reply="100 ms")
                async with LineDriver().connect("device", section, line, Path()) as sensor:
                    assert (await sensor.poll())[0].value == 1.5
                    await converter.__aexit__()
                    await asyncio.sleep(0.02)
                    with pytest.raises(NotPresent):
                        await sensor.poll()
                    await converter.__aenter__()
                    started_s = time.monotonic()
                    while True:
                        try:
                            assert (await sensor.poll())[0].value == 1.5
                            break
                        except DriverError:
                            await asyncio.sleep(0.02)
                    assert time.monotonic() - started_s < 5
                    assert line.health.openings == 2

    run(check())


def test_nothing_is_left_behind_and_one_port_has_one_owner(tmp_path, run):
    before = threading.active_count()

    async def check() -> None:
        with SpokenLine(tmp_path / "line", RainLine()) as bench:
            table = LineSection.model_validate({"port": str(bench.path), "framing": "raw"})
            files = len(list(Path("/proc/self/fd").iterdir()))
            for _ in range(5):
                async with open_bus("test", table) as line:
                    line.send(b"R\n")
                    assert line.health.is_open
                with pytest.raises(NotPresent):
                    line.send(b"R\n")
            assert len(list(Path("/proc/self/fd").iterdir())) == files
            async with open_bus("one", table), open_bus("other", table) as other:
                assert not other.health.is_open
                assert "another program" in other.health.reason

    run(check())
    assert threading.active_count() == before


def test_an_absent_port_is_told_and_logged_once(tmp_path, run, caplog):
    async def check() -> None:
        table = LineSection.model_validate({"port": str(tmp_path / "nowhere"), "framing": "raw"})
        async with open_bus("test", table) as line:
            section = LineDriver.Section(map="hydreon-rg15")
            async with LineDriver().connect("device", section, line, Path()) as gauge:
                for _ in range(3):
                    with pytest.raises(NotPresent, match="no such file"):
                        await gauge.poll()
                    await asyncio.sleep(0.1)

    run(check())
    assert len([record for record in caplog.records if "closed" in record.message]) == 1


def test_a_modbus_line_is_no_raw_line(tmp_path, run):
    async def check() -> None:
        with SpokenLine(tmp_path / "line", RainLine()) as bench:
            async with open_bus("test", LineSection(port=str(bench.path))) as line:
                with pytest.raises(NotPresent, match="raw"):
                    async with LineDriver().connect("d", LineDriver.Section(map="hydreon-rg15"), line, Path()):
                        pass

    run(check())


def test_a_converter_needs_its_port():
    with pytest.raises(ValidationError, match="needs its port"):
        LineSection.model_validate({"host": "192.168.1.60", "framing": "raw"})


LINES = [b"T=21.5;ok\r\n", b"T=nan;ok\n", b"\r\r", b"T=1e3;\xff\r", b"noise\r\n", b"T=-4;late", b"x" * 600]


@given(st.lists(st.sampled_from(LINES), max_size=12), st.data())
def test_lines_are_found_alike_however_they_are_cut(lines, data):
    stream = b"".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pattern = compile_pattern("T={t};{word:text}")
    whole, pieces = LineFinder([pattern]), LineFinder([pattern])
    told = [
        record for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for record in pieces.feed(stream[a:b])
    ]
    assert repr(told) == repr(whole.feed(stream))


def test_a_babbler_does_not_hold_a_question_back_for_ever(tmp_path, run):
    async def check() -> None:
        with SpokenLine(tmp_path / "line", RainLine()) as bench:
            table = {"port": str(bench.path), "framing": "raw", "settle": "50 ms"}
            async with open_bus("test", LineSection.model_validate(table)) as line:

                async def babble() -> None:
                    while True:
                        bench.send(b"\xa5\n")
                        await asyncio.sleep(0.005)

                noise = asyncio.create_task(babble())
                section = LineDriver.Section(map="hydreon-rg15")
                async with LineDriver().connect("device", section, line, Path()) as gauge:
                    started_s = time.monotonic()
                    assert {reading.point for reading in await gauge.poll()} == {"total", "event", "intensity"}
                    assert time.monotonic() - started_s < 1
                noise.cancel()

    run(check())
