"""Everything that knows a wire."""
