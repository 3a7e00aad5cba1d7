"""Reads registers of one unit and remembers what it holds, refuses and never answers; adapts to its manners."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from drivers.find.port import Port
from drivers.frames import BIT_TABLES, MAX_BITS, MAX_WORDS, ExceptionReply, Table, read_request
from drivers.registers import Cell

_WAIT_S, _LEAST_WAIT_S = 1.0, 0.2  # until it is known how fast it answers, and from then on at least
_REST_S = 0.6  # some units answer no sooner than 0.5 s after the last request
_TRIES = 3
_ILLEGAL_FUNCTION = 1
_NOT_THERE = frozenset({2, 3})


@dataclass(slots=True)
class Survey:
    """What is known of the registers of one unit. Times in seconds."""

    port: Port
    unit_id: int
    wait_s: float = _WAIT_S
    rest_s: float = 0.0  # that it needs between two requests, as far as is known
    most: int = MAX_WORDS  # registers that it gives in one answer, as far as is known
    cells: dict[Cell, int] = field(default_factory=dict)
    refused: dict[Cell, str] = field(default_factory=dict)
    silent: set[Cell] = field(default_factory=set)  # first cells of reads that were never answered
    closed: dict[Table, str] = field(default_factory=dict)  # tables that it does not have
    answers_s: list[float] = field(default_factory=list)

    def holds(self, table: Table, address: int, count: int = 1) -> bool:
        """Whether all of these could be read; those not known yet are asked, in one request. Raises NotPresent."""
        wanted = [(table, address + i) for i in range(count)]
        if table in self.closed or any(cell in self.refused for cell in wanted) or wanted[0] in self.silent:
            return False
        return all(cell in self.cells for cell in wanted) or self._read(table, address, count)

    def explore(self, table: Table, address: int, count: int) -> None:
        """Read as much of a range as there is: what is refused whole is asked in halves. Raises NotPresent."""
        most = MAX_BITS if table in BIT_TABLES else self.most
        if count > most:
            self.explore(table, address, most)
            self.explore(table, address + most, count - most)
        elif not self.holds(table, address, count) and count > 1 and self._is_worth_dividing(table, address):
            half = count // 2
            self.explore(table, address, half)
            self.explore(table, address + half, count - half)
            if all((table, address + i) in self.cells for i in range(count)):
                self.most = min(self.most, count - 1)  # every one is there, only not all at once

    def _is_worth_dividing(self, table: Table, address: int) -> bool:
        if table in self.closed:
            return False
        if (table, address) not in self.silent:
            return True
        # Some are silent where others refuse: asked for less, they answer. Who never does is not asked on and on.
        self.silent.discard((table, address))
        return self.holds(table, address)

    def again(self) -> None:
        """Forget the values, not what was learnt: the next read asks anew."""
        self.cells.clear()

    def _read(self, table: Table, address: int, count: int) -> bool:
        request = read_request(table, self.unit_id, address, count)
        was_silent = False
        for attempt in range(_TRIES):
            time.sleep(max(self.rest_s, _REST_S if attempt else 0.0))
            answer = self.port.ask(request, self.wait_s)
            if answer.pdu is not None or isinstance(answer.error, ExceptionReply):
                if was_silent:
                    self.rest_s = _REST_S  # it had to be left alone for a while
                break
            was_silent = not answer.raw
        if answer.pdu is not None:
            self.answers_s.append(answer.elapsed_s)
            self.wait_s = min(self.wait_s, max(_LEAST_WAIT_S, 4 * max(self.answers_s)))
            values = request.values(answer.pdu)
            self.cells.update(((table, address + i), value) for i, value in enumerate(values))
            return True
        if not isinstance(answer.error, ExceptionReply):
            self.silent.add((table, address))
        elif answer.error.code == _ILLEGAL_FUNCTION:
            self.closed[table] = answer.error.reason
        elif count == 1 and answer.error.code in _NOT_THERE:
            self.refused[table, address] = answer.error.reason
        return False
