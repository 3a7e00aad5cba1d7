"""Judgement: pure, offline, the same live and in replay."""
