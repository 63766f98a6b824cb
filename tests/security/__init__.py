"""Attacks on the built image that fail: one test for each advisory and each kind of attack."""
