"""What happens by itself: the pump that sends, the tick that finds what is due, the clock. Loads no page."""
