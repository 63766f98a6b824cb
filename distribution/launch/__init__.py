"""The third floor: finding the run config, the gate that verifies it, and serving it, on every launch path."""
