"""Prints what is made from the models: `python -m maelstrom.model.manifest schema > docs/project.schema.json` and
`python -m maelstrom.model.manifest reference > docs/project-file.md`."""

from __future__ import annotations

import sys

from maelstrom.model.manifest.reference import reference_text
from maelstrom.model.manifest.schema import schema_text

TEXTS = {"schema": schema_text, "reference": reference_text}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in TEXTS:
        sys.exit(f"usage: python -m maelstrom.model.manifest {'|'.join(TEXTS)}")
    sys.stdout.write(TEXTS[sys.argv[1]]())
