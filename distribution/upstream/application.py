"""The name under which every launcher starts the server. Importing it imports nothing of llama-stack."""

APPLICATION_FACTORY = "llama_stack.core.server.server:create_app"
