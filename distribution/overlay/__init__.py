"""All that knows llama-stack 0.3.3 from the inside.

`facts` says what it has, `server_settings` what a run config tells uvicorn, `changes` what this distribution
does otherwise, and `starting` how it starts. Nothing else in `distribution` imports llama-stack.
"""
