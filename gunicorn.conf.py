from gevent import monkey

monkey.patch_all()  # before anything else is imported: no module may keep a blocking function

# Serves from this checkout, uninstalled: CHAT_CONFIG=homeserver.yaml gunicorn -c gunicorn.conf.py

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parent
for folder in ("generated", "impl"):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))

from chat.app import serving  # noqa: E402

globals().update(serving.settings(os.environ))
