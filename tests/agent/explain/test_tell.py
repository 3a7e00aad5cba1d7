"""What is said of a record and of an alarm that is normal now, in both languages, as a duty officer reads it."""

from __future__ import annotations

import json
import sqlite3
import string
from contextlib import closing
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from agent.client import AgentError
from agent.explain import show
from agent.explain.look import Desk, NotFound
from agent.explain.phrases import EVENTS, LEVELS, MARGINS, QUALITIES, REASONS, RESULTS, SENTENCES, WITHHELD
from agent.explain.times import dated, local, zone_of
from agent.guard.answers import explanation
from agent.journal.blobs import row_crc
from agent.records import Stamp
from tests.agent.explain.conftest import Gateway


def said(gateway: Gateway, event: str, language: str = "en") -> list[str]:
    gateway.written()
    desk = Desk(gateway.directory)
    return desk.explain(desk.find(event), (language,))["said"][language]


def printed(gateway: Gateway, event: str, *, ask: show.Ask | None = None, as_json: bool = False) -> tuple[int, str]:
    gateway.written()

    def nobody(_: Any) -> Any:
        raise AgentError("no agent is running here")

    console = Console(file=StringIO(), width=200)
    code = show.explain(event, gateway.directory, ask or nobody, ("zh", "en"), console, as_json=as_json)
    return code, console.file.getvalue()  # type: ignore[attr-defined]


def test_why_it_rose_since_when_and_by_what(gateway: Gateway) -> None:
    gateway.hold(20, 10)
    gateway.hold(200, 6)
    gateway.hold(450, 6)
    told = "\n".join(said(gateway, "flood"))
    assert told.startswith("Underpass flooding (flood): yellow -> red\n")
    assert "activation 1" in told
    assert "The condition of red had held for its on-delay of 2 s (at least since " in told
    assert "✓ pit.level > 40 cm   450 mm, limit 400 mm, 50 mm above" in told
    assert (
        "✓ rise(pit.level, 10 s, coverage = 0.3) > 20 cm   430 mm, limit 200 mm, 230 mm above, pit.level = 450 mm"
        in told
    )
    assert "pit.level = 450 mm, good, just now" in told
    assert " +08:00 (clock trusted)" in told
    chinese = "\n".join(said(gateway, "flood", "zh"))
    assert chinese.startswith("下穿通道积水（flood）：黄色 → 红色\n")
    assert "红色的条件已连续成立 2 秒（不晚于 " in chinese
    assert "450 mm，界限 400 mm，高出 50 mm" in chinese
    assert "pit.level = 450 mm，正常，刚刚" in chinese


def test_what_kept_it_from_the_next_level(gateway: Gateway) -> None:
    gateway.hold(150, 10)
    gateway.hold(200, 6)
    told = said(gateway, "flood")
    at = told.index("  It did not reach red, because:")
    assert told[at + 2] == "      ✗ pit.level > 40 cm   200 mm, limit 400 mm, 200 mm to go"


def test_a_fall_by_its_clear_condition_and_one_by_none(gateway: Gateway) -> None:
    gateway.hold(450, 20)
    gateway.hold(180, 20)
    gateway.hold(20, 10)
    numbers = {row.record.body["event"]: str(row.seq) for row in gateway.rows()}
    assert "  The condition of red holds no more: fell." in said(gateway, numbers["fell"])
    returned = "\n".join(said(gateway, numbers["returned"]))
    assert "The clear condition of yellow had held for its off-delay of 5 s" in returned
    assert "✓ pit.level < 12 cm   20 mm, limit 120 mm, 100 mm below" in returned


def test_acts_of_operators_are_told_with_who_and_why(gateway: Gateway) -> None:
    gateway.hold(200, 10)
    gateway.poll("pump", current=0.0)
    gateway.core.operate("shelve", "flood", "li", gateway.now_ns, why="cleaning", for_s=600)
    gateway.poll("pump", current=5.0)
    gateway.core.operate("reset", "pump", "li", gateway.now_ns)
    gateway.core.rezero("pit.level", 20.0, "li", "settled", gateway.now_ns)
    rows = {(row.record.body["alarm"], row.record.body["event"]): str(row.seq) for row in gateway.rows()}
    assert "  shelved: li, because: cleaning (for 600 s)." in said(gateway, rows["flood", "shelved"])
    assert "  Shelved: sounds nothing" in said(gateway, rows["flood", "shelved"])
    assert "  锁定的橙色由 li 复位放行。" in said(gateway, rows["pump", "returned"], "zh")
    reader = gateway.written()
    events = {record.kind: seq for seq, record in reader.records(reader.epoch("records") or "", 0, 100)}
    assert said(gateway, str(events["rezero"]))[0] == "pit.level was re-zeroed by li: none -> 20 mm, because: settled."


def test_why_it_does_not_sound(gateway: Gateway) -> None:
    gateway.hold(20, 10)
    now = explanation(gateway.core, "flood", gateway.now_ns)
    code, text = printed(gateway, "flood", ask=lambda _: now)
    assert code == 0
    assert "Underpass flooding (flood): normal now" in text
    assert "yellow is not raised: its condition is false." in text
    assert "✗ pit.level > 15 cm   20 mm, limit 150 mm, 130 mm to go" in text
    assert "没有响应预案（plan），不发声" in text
    assert "日志中没有它的报警记录。" in text


def test_why_it_does_not_sound_yet_or_can_not_be_known(gateway: Gateway) -> None:
    gateway.hold(20, 10)
    gateway.hold(200, 2)
    _, text = printed(gateway, "flood", ask=lambda _: explanation(gateway.core, "flood", gateway.now_ns))
    assert "黄色尚未报警：条件已成立 1 秒，需满 3 秒，还差 2 秒。" in text
    gateway.hold(None, 10)
    _, text = printed(gateway, "flood", ask=lambda _: explanation(gateway.core, "flood", gateway.now_ns))
    assert "yellow is not raised: its condition is not known (missing data neither raises nor clears)." in text
    assert "? pit.level > 15 cm   not known: pit.level is stale" in text
    _, text = printed(gateway, "pump", ask=lambda _: explanation(gateway.core, "pump", gateway.now_ns))
    assert "无法判断：pump.current 从未有过读数" in text


def test_what_withholds_an_active_alarm_now_is_told_below_its_activation(gateway: Gateway) -> None:
    gateway.hold(200, 10)
    gateway.core.operate("shelve", "flood", "li", gateway.now_ns, why="cleaning", for_s=600)
    _, text = printed(gateway, "flood", ask=lambda _: explanation(gateway.core, "flood", gateway.now_ns))
    assert "Underpass flooding (flood): normal -> yellow" in text
    assert "  Now: Shelved: sounds nothing (li, cleaning)" in text
    assert "  现在：已搁置，不发声 (li, cleaning)" in text


def test_a_trial_says_that_it_sounds_nothing(gateway: Gateway) -> None:
    gateway.core.rezero("pit.level", 0.0, "li", "installed", gateway.now_ns)
    gateway.hold(20, 3)
    _, text = printed(gateway, "settling", ask=lambda _: explanation(gateway.core, "settling", gateway.now_ns))
    assert "On trial (shadow): judged and recorded, sounds nothing" in text
    assert "✗ pit.level - baseline(pit.level) > 30 cm   20 mm, limit 300 mm, 280 mm to go, pit.level = 20 mm" in text


def test_a_device_that_is_lost_is_found_by_its_name(gateway: Gateway) -> None:
    gateway.hold(20, 3)
    gateway.core.lost("pit", "no answer from unit 3", gateway.now_ns)
    gateway.wait(10.0)
    told = "\n".join(said(gateway, "device.pit"))
    assert told.startswith("equipment device.pit: raised\n")
    assert "no answer from unit 3" in told


def test_for_machines(gateway: Gateway) -> None:
    gateway.hold(200, 6)
    code, text = printed(gateway, "last", as_json=True)
    told = json.loads(text)
    assert code == 0
    assert (told["kind"], told["clock"], told["body"]["level_name"]) == ("alarm", "trusted", "yellow")
    assert set(told["said"]) == {"zh", "en"}


def test_what_is_not_there_is_said(gateway: Gateway) -> None:
    gateway.written()
    desk = Desk(gateway.directory)
    for event, words in (
        ("4711", "no record 4711"),
        ("0badcafe:1", "is of another file"),
        ("flod", "no activation of an alarm called 'flod'"),
        ("last", "no move of any alarm"),
    ):
        with pytest.raises(NotFound, match=words):
            desk.find(event)
    with pytest.raises(NotFound, match="--state"):
        Desk(gateway.directory / "nowhere")
    assert printed(gateway, "flod")[0] == 1


def test_times_are_told_as_far_as_they_can_be_trusted() -> None:
    zone = zone_of("Asia/Shanghai")
    unset = Stamp("boot-a", 5 * 10**9, 3 * 10**9, "untrusted")
    anchor = Stamp("boot-a", 65 * 10**9, 1_783_796_460 * 10**9, "trusted")
    later = dated(unset, [anchor])
    assert (later.clock, later.wall_ns) == ("redated", 1_783_796_400 * 10**9)
    assert local(later.wall_ns, zone) == "2026-07-12 03:00:00.000 +08:00"
    assert dated(unset, []) == unset
    assert zone_of("Nowhere/Land") is zone_of(None)


def test_every_phrase_exists_in_both_languages_with_the_same_slots() -> None:
    for table in (EVENTS, LEVELS, MARGINS, QUALITIES, REASONS, RESULTS, SENTENCES, WITHHELD):
        for key, texts in table.items():
            slots = [{slot for _, slot, _, _ in string.Formatter().parse(text) if slot} for text in texts.values()]
            assert set(texts) == {"zh", "en"}, key
            assert slots[0] == slots[1], key


def test_a_part_of_the_journal_as_a_table(gateway: Gateway) -> None:
    gateway.hold(200, 6)
    gateway.hold(450, 6)
    gateway.written()
    console = Console(file=StringIO(), width=100)
    assert show.replay_all(gateway.directory, None, None, console, as_json=False) == 0
    assert "2 records: 2 same, 0 differs, 0 unproven" in console.file.getvalue()  # type: ignore[attr-defined]
    console = Console(file=StringIO(), width=100)
    later = datetime.now(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None) + timedelta(hours=1)
    assert show.replay_all(gateway.directory, later, None, console, as_json=False) == 0
    assert "0 records" in console.file.getvalue()  # type: ignore[attr-defined]


def test_one_that_differs_ends_with_1_and_says_where(gateway: Gateway) -> None:
    gateway.hold(200, 6)
    gateway.stop()
    path = gateway.directory / "critical.db"
    with closing(sqlite3.connect(path)) as file, file:
        (seq, line, epoch) = file.execute("SELECT seq, line, epoch FROM record, epoch WHERE kind = 'alarm'").fetchone()
        line = line.replace('"passed_s":0.0', '"passed_s":0.25', 1)
        file.execute("UPDATE record SET line = ?, crc = ? WHERE seq = ?", (line, row_crc(epoch, seq, line), seq))
    gateway.start()
    gateway.written()
    console = Console(file=StringIO(), width=100)
    assert show.replay("last", gateway.directory, ("zh", "en"), console, as_json=False) == 1
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "重放不一致" in text
    assert "delay.passed_s: live 0.25, again 0.0" in text
    console = Console(file=StringIO(), width=100)
    assert show.replay_all(gateway.directory, None, None, console, as_json=True) == 1
