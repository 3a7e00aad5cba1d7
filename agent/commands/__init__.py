"""The commands of `tocsin`, thin: each is a few lines around a room that does the work, imported when it runs."""
