from gevent import monkey

monkey.patch_all()  # before anything else is imported: no module may keep a blocking function

import os  # noqa: E402

from chat.app import serving  # noqa: E402

globals().update(serving.settings(os.environ))
