"""The bench: virtual lines, devices, faults and scenarios that speak the real protocols."""
