"""Real servers for the tests: each module starts one, on free loopback ports and in a scratch directory.

Every server is a context manager called ``serve``. It raises ``NotInstalled`` when a part is missing and
``StartError``, with the end of the log, when the program does not come up. ``python -m tests.support NAME``
serves one by hand.
"""
