"""A site file that breaks: a gateway that has guarded goes on, and one that never has says where the fault is."""

from __future__ import annotations

import time

from tests.system.town import Town


def test_a_broken_site_file_leaves_the_last_good_copy_guarding(town: Town) -> None:
    town.agent.stop()
    whole = town.site.read_text(encoding="utf-8")
    town.site.write_text(whole.replace('when = "pit.level > 40 cm"', 'when = "pit.levle > 40 s"'), encoding="utf-8")
    town.start_agent()
    fault = town.status()["site"]["fault"]
    assert "last good copy" in fault
    assert "site.toml:" in fault
    assert "levle" in fault
    assert "last good copy" in town.cli("status").stdout
    town.rig.device("pit").level_mm = 450
    town.wait(lambda: town.siren.sounding, 10, "it guards as before")
    told = town.wait(lambda: town.at_platform("equipment", alarm="site-file", event="raised"), 15, "the platform knows")
    assert "last good copy" in told[0]["body"]["why"]

    town.rig.device("pit").level_mm = 20
    town.wait(lambda: town.alarm("flood") == "normal" and not town.siren.sounding, 10)
    town.agent.stop()
    town.site.write_text(whole, encoding="utf-8")
    town.start_agent()
    assert town.status()["site"]["fault"] == ""
    town.wait(lambda: town.at_platform("equipment", alarm="site-file", event="returned"), 15, "over, and told so")


def test_a_broken_site_file_without_a_copy_ends_with_2_and_the_place() -> None:
    with Town(uplink=False, with_agent=False) as town:
        text = town.site.read_text(encoding="utf-8").replace('when = "pit.level > 15 cm"', 'when = "pit.levle > 15 cm"')
        text = text.replace("unit_id = 3", "unit_id = 300")
        town.site.write_text(text, encoding="utf-8")
        lines = text.splitlines()
        town.agent.__enter__()
        until_s = time.monotonic() + 15
        while town.agent.code is None and time.monotonic() < until_s:
            time.sleep(0.05)
        assert town.agent.code == 2
        told = town.agent.last_words
        assert f"{town.site}:{1 + lines.index('unit_id = 300')}: device.pit.unit_id" in told
        at = 1 + lines.index('when = "pit.levle > 15 cm"')
        assert f"{town.site}:{at}:9: alarm.flood.level.yellow.when" in told
        assert "pit.level" in told, "the nearest right name"
        assert not town.socket.exists()
