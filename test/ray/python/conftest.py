"""Makes the module importable as Ray makes it: by its folder."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "src" / "runtime" / "ray" / "python"
sys.path.insert(0, str(FOLDER))
