"""What `make run` starts on a developer's machine. The product never imports it."""
