"""Forms: what people fill in."""
