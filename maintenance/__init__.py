"""For those who maintain the kit: what another release of llama-stack would move. No image and no build has it."""
