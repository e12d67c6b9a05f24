"""The naive resolution lies beside the proofs of the protocol core."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "protocol_proofs"):
    sys.path.insert(0, str(folder))
