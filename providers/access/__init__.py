"""Who may do what: the one place that decides it, for providers of ours and, through the overlay, for llama-stack's."""
