"""Virtual stations and fire panels that report on their own: encoders written apart from the drivers, and a mouth."""
