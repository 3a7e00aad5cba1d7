"""The agent on the gateway: guard, link, command line."""

__version__ = "0.1.0"
