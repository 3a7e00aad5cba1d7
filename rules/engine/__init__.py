"""What judges: windows and the kernel as Python and as njit, the tables they run over, and the builds."""
