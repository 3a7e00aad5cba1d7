"""The site file: read, checked as a whole, frozen. Opens no line and starts nothing."""
