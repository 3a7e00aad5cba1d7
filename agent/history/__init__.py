"""Recorded history (CSV, Parquet, the gateway's journal) as the steps that judgement takes. Judges nothing itself."""

from agent.history.history import History, open_history
from agent.history.labels import Label, read_labels

__all__ = ["History", "Label", "open_history", "read_labels"]
