"""The gateway's own equipment as alarms: a lost device, bus, output or store is told once, grouped under its parent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from agent.site.model import Site
from drivers.api import Quality
from rules.alarm import Alarm
from rules.model import Sample
from rules.supervision import Supervised, Supervision

BEFORE = "failed before the restart, not yet seen to work"
OTHERS = ("store", "link", "speech", "site-file", "control")  # parts of the agent that can fail while guarding goes on


class Equipment:
    """Faults of points, devices, buses, outputs and of the agent's own parts, and the equipment alarms they make."""

    def __init__(self, site: Site, now_s: float) -> None:
        self._site = site
        self._supervised = [
            Supervised(p.name, p.device, site.devices[p.device].bus or "", p.stale_after_s, p.flat_after_s, p.max_step)
            for p in site.points.values()
        ]
        self._supervision = Supervision(self._supervised, now_s)
        self._points_of: dict[str, list[int]] = {device: [] for device in site.devices}
        for index, point in enumerate(self._supervised):
            self._points_of[point.device].append(index)
        self._buses: dict[str, str] = dict.fromkeys(site.buses, "")  # line state: why it can't be used
        self._outputs: dict[str, dict[str, str]] = {}  # kind of fault -> reason
        self._others: dict[str, str] = {}
        self._awaited: set[str] = set()  # devices that were lost before a restart and have not answered since
        self._reported: dict[str, tuple[str, str]] = {}  # equipment alarm -> (why, parent) as last told
        self._dirty = self._stirred = True

    @property
    def names(self) -> list[str]:
        """Every equipment alarm there can be."""
        site = self._site
        return [
            *(f"bus.{name}" for name in site.buses),
            *(f"device.{name}" for name in site.devices),
            *(f"output.{name}" for name in site.outputs),
            *OTHERS,
        ]

    def restart(self, now_s: float, alarms: Iterable[Alarm], outputs: Mapping[str, Mapping[str, str]]) -> None:
        """Judgement time was shifted: every point has its whole stale time again.

        What failed before the restart, by the `alarms` and `outputs` that survived, fails until it is seen to work.
        """
        self._supervision = Supervision(self._supervised, now_s)
        self._outputs = {name: dict(faults) for name, faults in outputs.items() if name in self._site.outputs}
        self._dirty = self._stirred = True
        names = set(self.names)
        for alarm in alarms:
            if alarm.name not in names:
                continue
            self._reported[alarm.name] = (BEFORE if alarm.level else "", alarm.suppressed_by)
            kind, _, part = alarm.name.partition(".")
            if alarm.level and kind == "device":
                self._awaited.add(part)
            elif alarm.level and kind == "bus" and any(d.bus == part for d in self._site.devices.values()):
                self._buses[part] = BEFORE

    # --- what happens ---------------------------------------------------------------------------------------------

    def step(self, at_s: float, samples: Sequence[Sample], reasons: Mapping[int, str]) -> None:
        """Readings or the passing of time."""
        if samples and Quality(samples[0].quality).usable:
            self._heard(self._supervised[samples[0].point].device)
        if self._supervision.step(at_s, samples, reasons):
            self._dirty = self._stirred = True

    def _heard(self, device: str) -> None:
        bus = self._site.devices[device].bus
        if device in self._awaited:
            self._awaited.discard(device)
            self._dirty = self._stirred = True
        if bus is not None and self._buses[bus] == BEFORE:
            self.bus(bus, "")

    def bus(self, name: str, reason: str) -> None:
        """A line was lost (with the reason) or is back ("")."""
        self._dirty |= self._buses[name] != reason
        self._buses[name] = reason

    def output(self, name: str, faults: Mapping[str, str]) -> None:
        """An output's faults by kind; none: it works."""
        self._outputs[name] = dict(faults)
        self._dirty = self._stirred = True

    def other(self, name: str, reason: str) -> None:
        """A part of the agent fails (with the reason) or works again ("")."""
        self._others[name] = reason
        self._dirty = True

    # --- what is known --------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When time alone may make a point lost or stuck."""
        return self._supervision.deadline

    @property
    def faulty_outputs(self) -> frozenset[str]:
        """Outputs that can't be relied on."""
        return frozenset(name for name, faults in self._outputs.items() if faults)

    def output_faults(self) -> dict[str, dict[str, str]]:
        """Every faulty output's faults by kind, for what survives."""
        return {name: faults for name, faults in self._outputs.items() if faults}

    def take_stirred(self) -> bool:
        """Whether any point's or output's fault changed since last asked."""
        stirred, self._stirred = self._stirred, False
        return stirred

    def output_fault(self, name: str) -> str:
        """Why an output can't be relied on, "" when it can."""
        return "; ".join(self._outputs.get(name, {}).values())

    def point_fault(self, index: int) -> str:
        """Why a point can't be relied on, "" when it can."""
        return self._supervision.fault(index) or (BEFORE if self._supervised[index].device in self._awaited else "")

    def bus_fault(self, name: str) -> str:
        """Why a whole bus can't be relied on: its line is gone, or none of its several devices answers."""
        if self._buses[name]:
            return self._buses[name]
        devices = [d.name for d in self._site.devices.values() if d.bus == name]
        if len(devices) > 1 and all(self._lost(device) for device in devices):
            return "none of its devices answers"
        return ""

    def device_fault(self, name: str) -> str:
        """Why a device can't be relied on, its points grouped by reason."""
        by_reason: dict[str, list[str]] = {}
        for index in self._points_of[name]:
            if reason := self.point_fault(index):
                by_reason.setdefault(reason, []).append(self._supervised[index].name.partition(".")[2])
        return "; ".join(f"{', '.join(points)}: {reason}" for reason, points in by_reason.items())

    def changes(self) -> Iterator[tuple[str, int, str, str]]:
        """What changed since last asked: (equipment alarm, level 0 or 1, why, parent alarm that covers it)."""
        if not self._dirty:
            return
        self._dirty = False
        for name, (why, parent) in self._present().items():
            before = self._reported.get(name, ("", ""))
            if bool(why) != bool(before[0]) or parent != before[1]:
                self._reported[name] = (why, parent)
                yield name, int(bool(why)), why, parent

    def why(self, name: str) -> str:
        """The present reason of an equipment alarm."""
        return self._present().get(name, ("", ""))[0]

    def _lost(self, device: str) -> bool:
        points = self._points_of[device]
        return bool(points) and all(self.point_fault(index) for index in points)

    def _present(self) -> dict[str, tuple[str, str]]:
        site, present = self._site, dict[str, tuple[str, str]]()
        for bus in site.buses:
            present[f"bus.{bus}"] = (self.bus_fault(bus), "")
        for device in site.devices.values():
            parent = f"bus.{device.bus}" if device.bus and present[f"bus.{device.bus}"][0] else ""
            present[f"device.{device.name}"] = (self.device_fault(device.name), parent)
        for output in site.outputs:
            present[f"output.{output}"] = (self.output_fault(output), "")
        for other in OTHERS:
            present[other] = (self._others.get(other, ""), "")
        return present
