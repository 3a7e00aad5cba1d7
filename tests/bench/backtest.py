"""The whole `tocsin backtest` command on ten years of minute data: 50 points, 200 rules, time and peak memory."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import history, sets

YEAR = 525_960  # minutes


def site_text(shapes: sets.Shapes, points: int = 50, rules: int = 200) -> str:
    """The rules as a site file over a recording's points."""
    names = history.names(points)
    lines = ['[site]\nid = "bench"\ntimezone = "UTC"']
    for device in dict.fromkeys(name.partition(".")[0] for name in names):
        lines.append(f'[device.{device}]\ndriver = "recorded"\nperiod = "1 min"\nstale_after = "3 min"')
        mine = (name.partition(".")[2] for name in names if name.startswith(f"{device}."))
        lines += [f'[device.{device}.point.{point}]\nunit = "mm"' for point in mine]
    for alarm in sets.alarms(names, rules, shapes):
        level = alarm.levels[0]
        clear = f"clear = {json.dumps(level.clear)}\n" if level.clear else ""
        lines.append(
            f'[alarm.{alarm.name}]\nhazard = "flood"\n[alarm.{alarm.name}.level.red]\nwhen = {json.dumps(level.when)}\n'
            f'for = "{level.for_s:g} s"\n{clear}clear_for = "{level.clear_for_s:g} s"'
        )
    return "\n".join(lines) + "\n"


def command(name: str, shapes: sets.Shapes, recording: Path) -> list[dict[str, Any]]:
    """Run it as a user does, the rules compiled before; its own time and memory."""
    directory = recording.parent
    (directory / "site.toml").write_text(site_text(shapes), encoding="utf-8")
    (directory / "cache").mkdir(mode=0o700, exist_ok=True)
    environment = os.environ | {"XDG_CACHE_HOME": str(directory / "cache")}
    given = ["site.toml", "--history", recording.name, "--json", "out.json"]
    words = [sys.executable, "-m", "agent.cli", "backtest", *given]
    end = ["--to", "2015-01-02T00:00:00Z"]
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")])
    subprocess.run([*words, *end], cwd=directory, env=environment, check=True, capture_output=True)
    began = time.perf_counter()
    child = subprocess.Popen(words, cwd=directory, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - began
    if status:
        raise RuntimeError(f"tocsin backtest ended with {os.waitstatus_to_exitcode(status)}")
    moves = len(json.loads((directory / "out.json").read_text(encoding="utf-8"))["alarms"])
    what = f"tocsin backtest, {name}, {recording.stat().st_size / 1e6:.0f} MB Parquet"
    return [
        {"name": f"{what}: wall", "value": wall_s, "unit": "s", "target": "<= 60"},
        {"name": f"{what}: CPU", "value": used.ru_utime + used.ru_stime, "unit": "s"},
        {"name": f"{what}: peak memory", "value": used.ru_maxrss / 1024, "unit": "MiB", "target": "<= 1024"},
        {"name": f"{what}: moves of alarms", "value": moves, "unit": ""},
    ]


def run(years: float = 10) -> list[dict[str, Any]]:
    """Rows for plain thresholds and for the mixed set."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as text:
        recording = Path(text) / "recording.parquet"
        history.write(recording, round(years * YEAR), 50)
        return command("plain", sets.PLAIN, recording) + command("mixed", sets.SHAPES, recording)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--years", type=float, default=10)
    for found in run(parser.parse_args().years):
        print(f"{found['name']:60} {found['value']:>10.4g} {found['unit']:4} {found.get('target', '')}")
