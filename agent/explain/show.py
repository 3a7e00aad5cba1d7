"""What `tocsin explain` and `tocsin replay` print, and the exit codes they end with."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.client import AgentError
from agent.explain.again import Proof, Replay
from agent.explain.look import Desk, NotFound, explain_now, withheld_now
from agent.explain.phrases import REASONS, RESULTS
from agent.explain.times import clock_time, iso, local
from agent.records import Stamp

Ask = Callable[[Mapping[str, Any]], Any]
STYLES = {"same": "green", "differs": "bold red", "unproven": "yellow"}


def explain(event: str, state: Path, ask: Ask, languages: tuple[str, ...], console: Console, *, as_json: bool) -> int:
    """Why an event happened; or, for the name of an alarm that is normal now, why it does not sound."""
    answer, desk, found, problem = _asked(event, ask), None, None, ""
    try:
        desk = Desk(state)
        if answer is None or answer["level"]:
            found = desk.find(event)
    except NotFound as error:
        problem = str(error)
    if desk is not None and found is not None:
        told = desk.explain(found, languages)
        if answer is not None and answer["withheld"]:
            for language, lines in told["said"].items():
                lines.append(f"  {withheld_now(answer, language)}")
    elif answer is not None:
        told = explain_now(answer, desk, languages)
    else:
        console.print(problem, style="red", markup=False, highlight=False)
        return 1
    if as_json:
        console.print(json.dumps(told, ensure_ascii=False, indent=2), soft_wrap=True, markup=False, highlight=False)
        return 0
    for place, lines in enumerate(told["said"].values()):
        console.print("\n".join(["", *lines] if place else lines), soft_wrap=True, markup=False, highlight=False)
    return 0


def _asked(event: str, ask: Ask) -> dict[str, Any] | None:
    """What a running agent says of an alarm; None for another kind of event, or where there is nobody to ask."""
    if event == "last" or event.rpartition(":")[2].isdecimal():
        return None
    try:
        answer: dict[str, Any] = ask({"do": "explain", "alarm": event})
    except AgentError:  # no agent runs here, or it does not know the alarm: the journal may
        return None
    return answer


def replay(event: str, state: Path, languages: tuple[str, ...], console: Console, *, as_json: bool) -> int:
    """One record judged again; 0 when it is the same, 1 when it differs or can't be proven."""
    try:
        desk = Desk(state)
        found = desk.find(event)
    except NotFound as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    if found.row is None:
        text = f"record {found.seq} is of kind {found.record.kind}: only alarms are judged"
        console.print(text, style="red", markup=False, highlight=False)
        return 1
    proof = Replay(desk.reader).prove(found.row)
    if as_json:
        told = json.dumps(proof_json(desk, proof), ensure_ascii=False, indent=2)
        console.print(told, soft_wrap=True, markup=False, highlight=False)
    else:
        heads = desk.explain(found, languages)["said"]
        for place, language in enumerate(languages):
            lines = [
                *([""] if place else []),
                *heads[language][:2],
                *(f"  {line}" for line in _said(desk, proof, language)),
            ]
            console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)
    return 0 if proof.result == "same" else 1


def replay_all(state: Path, begin: datetime | None, end: datetime | None, console: Console, *, as_json: bool) -> int:
    """Every record of an alarm between two local times judged again, as a table; 1 when one of them differs."""
    try:
        desk = Desk(state)
    except NotFound as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    zone, again, proofs = desk.zone(desk.reader.newest("records")), Replay(desk.reader), []
    first_s = begin.replace(tzinfo=zone).timestamp() if begin else -math.inf
    last_s = end.replace(tzinfo=zone).timestamp() if end else math.inf
    with console.status("judging again") as progress:
        for row in desk.rows():
            if first_s <= desk.stamp(row.record).wall_ns / 1e9 <= last_s:
                proofs.append(again.prove(row))
                progress.update(f"judging again: record {row.seq}")
    if as_json:
        told = json.dumps([proof_json(desk, proof) for proof in proofs], ensure_ascii=False, indent=2)
        console.print(told, soft_wrap=True, markup=False, highlight=False)
    else:
        console.print(_table(desk, proofs))
        for remark in _remarks(proofs):
            console.print(remark, soft_wrap=True, markup=False, highlight=False)
        counts = Counter[str](proof.result for proof in proofs)
        console.print(f"{len(proofs)} records: {', '.join(f'{counts[result]} {result}' for result in STYLES)}")
    return 1 if any(proof.result == "differs" for proof in proofs) else 0


def proof_json(desk: Desk, proof: Proof) -> dict[str, Any]:
    """What came of judging a record again, for machines."""
    body, stamp = proof.row.record.body, desk.stamp(proof.row.record)
    return {
        "epoch": desk.epoch,
        "seq": proof.row.seq,
        "at": iso(stamp.wall_ns, desk.zone(proof.row.seq)),
        "alarm": body["alarm"],
        "event": body["event"],
        "previous": body["previous_level_name"],
        "level": body["level_name"],
        "result": proof.result,
        "differences": list(proof.differences),
        "reason": _reason(proof, "en"),
        "steps": proof.steps,
        "from": None if proof.image is None else {"run": proof.image.run, "place": proof.image.place},
        "decided_s": proof.decided_s,
        "rules": body["rules"],
    }


def _said(desk: Desk, proof: Proof, language: str) -> Iterable[str]:
    zone = desk.zone(proof.row.seq)
    time = "" if proof.image is None else local(_stamp_of(proof).wall_ns, zone)
    words = RESULTS[proof.result][language]
    yield words.format(steps=proof.steps, time=time, reason=_reason(proof, language))
    yield from (f"  {difference}" for difference in proof.differences)
    body = proof.row.record.body
    if proof.decided_s is not None and proof.decided_s < body["at_s"]:
        late_s = body["at_s"] - proof.decided_s
        exact = clock_time(desk.stamp(proof.row.record).wall_ns - round(late_s * 1e9), zone)
        yield RESULTS["late"][language].format(exact=exact, late=f"{late_s * 1e3:.1f}")


def _reason(proof: Proof, language: str) -> str:
    return REASONS[proof.reason][language].format(**proof.details) if proof.reason else ""


def _stamp_of(proof: Proof) -> Stamp:
    assert proof.image is not None  # noqa: S101 - asked before
    body = proof.image.body
    return Stamp(body["boot_id"], body["mono_ns"], body["wall_ns"], body["clock"])


def _table(desk: Desk, proofs: Iterable[Proof]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("record", "time", "alarm", "event", "level", "steps", "result"):
        right = column in {"record", "steps"}
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "alarm", overflow="fold")
    for proof in proofs:
        body = proof.row.record.body
        table.add_row(
            str(proof.row.seq),
            local(desk.stamp(proof.row.record).wall_ns, desk.zone(proof.row.seq))[:-7],
            body["alarm"],
            body["event"],
            body["level_name"],
            str(proof.steps),
            Text(proof.result, style=STYLES[proof.result]),
        )
    return table


def _remarks(proofs: Iterable[Proof]) -> Iterator[str]:
    """What differs, record by record, and why others are unproven, reason by reason."""
    reasons: dict[str, list[str]] = {}
    for proof in proofs:
        yield from (f"record {proof.row.seq}: {difference}" for difference in proof.differences)
        if proof.reason:
            reasons.setdefault(_reason(proof, "en"), []).append(str(proof.row.seq))
    for reason, numbers in reasons.items():
        yield f"unproven: {reason} (record{'s' if len(numbers) > 1 else ''} {', '.join(numbers)})"
