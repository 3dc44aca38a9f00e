"""Project files: text → model, or all problems with file, line, path and hint. Pure: files and variables are handed in.

`written` pastes variables and knows lines, `tree` reads YAML within limits, `build` makes plain values of it, the
models check them, `faults` puts into words what they refuse, and `read` goes through all of it.
"""

from maelstrom.model.manifest.check import check_project
from maelstrom.model.manifest.read import read_project
from maelstrom.model.manifest.schema import project_schema
from maelstrom.model.manifest.written import MAX_BYTES
from maelstrom.model.variables import parse_env_file

__all__ = [
    "MAX_BYTES",
    "check_project",
    "parse_env_file",
    "project_schema",
    "read_project",
]
