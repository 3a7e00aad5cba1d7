"""What a contact says once it rests: debounced state, counted pulses, short openings held; pure, knows no pins."""

from __future__ import annotations

from dataclasses import dataclass

EDGE_S = 0.05  # shortest pulse that must not be missed: reed contacts of tipping buckets close for longer


@dataclass(slots=True)
class Contact:
    """One contact, seen again and again. Levels are 1 (active) and 0; times are monotonic seconds."""

    debounce_s: float  # so long unchanged, in at least
    looks: int  # so many looks, makes a state
    patience_s: float  # without rest for longer it bounces for good
    hold_s: float = 0.0  # an active state shows at least so long
    state: int | None = None  # None: it has not rested yet
    pulses: int = 0  # times it became active after it had rested
    blind_s: float = 0.0  # longest time without a look since `forget_blindness`
    _level: int = -1
    _equal: int = 0  # looks that saw the level, in a row
    _since_s: float = 0.0  # the level is what it is
    _rested_s: float = 0.0  # state and level agreed for the last time, or the first look
    _seen_s: float | None = None
    _active_until_s: float = float("-inf")

    def see(self, level: int, now_s: float) -> None:
        """Take in one look at the contact."""
        if self._seen_s is None:
            self._rested_s = now_s
        else:
            self.blind_s = max(self.blind_s, now_s - self._seen_s)
        self._seen_s = now_s
        if level != self._level:
            self._level, self._since_s, self._equal = level, now_s, 0
        self._equal += 1
        if level != self.state and self._equal >= self.looks and now_s - self._since_s >= self.debounce_s:
            self.pulses += level == 1 and self.state == 0
            self.state = level
        if level == self.state:
            self._rested_s = now_s
        if self.state == 1:
            self._active_until_s = now_s + self.hold_s

    @property
    def rests(self) -> bool:
        """Whether the level seen last is the state."""
        return self._level == self.state

    @property
    def shown(self) -> int | None:
        """The state, an active one for `hold_s` at least; None before it has rested."""
        return self.state if self._seen_s is None or self._seen_s > self._active_until_s else 1

    @property
    def bounces(self) -> bool:
        """Whether it has been without rest for so long that its state means nothing."""
        return self._seen_s is not None and self._seen_s - self._rested_s > self.patience_s

    def forget_blindness(self) -> None:
        """What was missed so far has been told."""
        self.blind_s = 0.0
