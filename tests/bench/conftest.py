"""Makes the package `bench` importable: it is no part of the installed project."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
