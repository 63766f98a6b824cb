"""What is known to be wrong with the packages that are locked, by advisories that somebody else publishes."""
