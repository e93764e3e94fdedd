"""What holds for all tests: properties have no deadline, and continuous integration always tries the same examples."""

from __future__ import annotations

import os

from hypothesis import settings

# A deadline measures how busy the machine is. A build must not fail on an example that its change has nothing to do
# with; new examples are found where people work.
settings.register_profile("clew", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("clew")
