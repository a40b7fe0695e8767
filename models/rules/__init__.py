"""Pure rules: time, chance and columns come in as arguments. No I/O, no framework, no driver."""
