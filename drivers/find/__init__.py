"""Finding what is on an unknown line: asks and listens, never writes, and knows no site."""
