"""Who gets in: tokens of a file or of a service that knows them, and which routes there are for whom."""
