"""What all tests share: no deadline on a busy machine, the same examples in every run unless a soak is asked for."""

import os

from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize="DELIBLE_SOAK" not in os.environ, print_blob=True)
settings.load_profile("tests")
