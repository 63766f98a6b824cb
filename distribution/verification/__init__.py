"""The second floor: what is wrong with a run config, where it is written and what to do, before anything is served.

`verify` reads top down: `document` (text to data with places), `subject` (variables expanded for one target),
`old_format` (what is left of 0.2.x), `resolution` (what each provider comes to), `checks/` (each reads and finds),
`masking`, and `report/` (the verdict for people, for programs and for Kubernetes).
"""
