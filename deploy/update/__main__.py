"""`python -m deploy.update` writes what is made from run.yaml, the chart's values and the pin; it says what changed."""

from deploy.update import GENERATED, ROOT

for path, generate in GENERATED.items():
    now = path.read_text(encoding="utf-8") if path.is_file() else ""
    wanted = generate(now)
    if wanted != now:
        path.write_text(wanted, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} written")
