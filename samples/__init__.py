"""Things to try Waybill with: invented orders, a few profiles, and a receiver that can misbehave."""
