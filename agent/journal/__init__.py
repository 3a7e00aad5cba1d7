"""The journal on the card: what is written, how it survives, how others read it."""
