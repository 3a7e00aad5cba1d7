"""The process that keeps the city's platform in sync."""
