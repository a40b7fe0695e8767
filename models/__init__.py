"""What the system knows: tables, and the pure rules below `rules/`. Imports nothing else of ours."""
