"""The proofs share helper modules (oracle, rendering, …) that lie beside them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "vectors"):
    sys.path.insert(0, str(folder))
