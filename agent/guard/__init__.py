"""The process that must never stop: lines, judgement, outputs."""
