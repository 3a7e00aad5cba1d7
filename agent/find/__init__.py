"""Finding what hangs on a line, from the command line: scan, probe, trace. Judges nothing and writes to no device."""
