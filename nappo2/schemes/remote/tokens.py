"""Ray's token: wanted by every Ray that is started here, and sent to one that is joined if there is one.

Ray reads the mode when it is imported, and without one it wants no token. So this module is imported
before Ray; whoever has set ``RAY_AUTH_MODE``, or imported Ray, has chosen.
"""

import os
import sys

NAME = "RAY_AUTH_MODE"
CHOSEN = NAME in os.environ or "ray" in sys.modules

if not CHOSEN:
    os.environ[NAME] = "token"


def use_token(wanted: bool) -> bool:
    """Has this process use a token or none from now on; False if somebody has chosen that before."""
    from ray._raylet import Config

    if not CHOSEN:
        os.environ[NAME] = "token" if wanted else "disabled"
        Config.initialize("")  # which reads the variable again
    return not CHOSEN
