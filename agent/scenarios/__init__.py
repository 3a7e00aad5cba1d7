"""The room of `tocsin test`: scenario files are loaded, run and shown. It judges nothing itself; `rules` does."""
