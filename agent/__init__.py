"""The agent on the gateway: guard, link, command line."""
