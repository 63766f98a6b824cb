"""Verification: everything that is wrong with a run config, found before the server opens its port.

A run config becomes a Document (data with positions), then a Subject (variables expanded, providers listed).
Each family of checks reads the Subject and yields Findings; reports show them.
"""
