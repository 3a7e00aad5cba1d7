"""The virtual stations speak as the standards' worked examples do, byte by byte; talks are read, or told to be none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from hil.capture import CaptureError
from hil.telemetry import dust, fire
from hil.telemetry.dust import DustStation
from hil.telemetry.fire import FireTransmitter
from hil.telemetry.hydro import HydroStation, decimal
from hil.telemetry.talk import Talk


def test_a_keep_alive_is_the_example_of_sl_651() -> None:
    station = HydroStation()
    station.serial = 2
    said = station.keep_alive(datetime.strptime("2059-10-11 15:51:11+0800", "%Y-%m-%d %H:%M:%S%z"))
    assert said == bytes.fromhex("7E7E01001234567812342F0008020003591011155111036BCA")


def test_the_frame_of_a_test_report_is_the_example_of_sl_651() -> None:
    text = "0003591011154947F1F1001234567848F0F05910111549201900000526190000053923000001273812 1115"
    said = HydroStation().frame(0x30, bytes.fromhex(text))
    assert said[-3:].hex() == "0320fa"


def test_a_negative_number_begins_with_ff() -> None:
    assert decimal(-1.234, 5, 3).hex() == "ff00001234"
    assert decimal(1.234, 4, 3).hex() == "00001234"


def test_the_checksum_is_that_of_annex_a_of_hj_212() -> None:
    segment = "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
    assert dust.packet(segment) == f"##0101{segment}1C80\r\n".encode()


def test_a_smoke_detector_is_the_example_of_gb_26875() -> None:
    panel = FireTransmitter(889, 88888)
    sent = datetime.strptime("2012-09-26 09:58:32+0800", "%Y-%m-%d %H:%M:%S%z")
    happened = sent.replace(second=2)
    said = panel.component(sent, (10, 2), fire.FIRE, text=" " * 30 + "\0", happened=happened)
    head = "40 40 01 00 01 01 20 3A 09 1A 09 0C 79 03 00 00 00 00 38 5B 01 00 00 00 30 00 02"
    unit = "02 01 01 01 28 0A 00 02 00 02 00" + " 20" * 30 + " 00 02 3A 09 1A 09 0C"
    assert said == bytes.fromhex(f"{head} {unit} 46 23 23")


def test_an_answer_for_somebody_else_is_none() -> None:
    other = DustStation("OTHER")
    answer = dust.packet("QN=1;ST=91;CN=9014;PW=1;MN=OTHER;Flag=4;CP=&&&&")
    assert other.answered(answer) == ("9014", "1")
    assert DustStation().answered(answer) is None
    assert HydroStation().answered(answer) is None
    assert FireTransmitter().answered(answer) is None


@pytest.mark.parametrize("line", ["> 01", "< 01", "< x 01", "= stage 1 m", "hello", "< 0.1 0G"])
def test_what_is_no_talk_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_text(f"# Line: tcp\n{line}\n", encoding="utf-8")
    with pytest.raises(CaptureError, match=r"a\.cap:2: got"):
        Talk.load(path)
