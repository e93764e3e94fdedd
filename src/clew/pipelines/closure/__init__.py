"""The code of a step and everything that it reaches."""

from clew.pipelines.closure.fingerprint import Closure, Fingerprint, closure_of, fingerprint
from clew.pipelines.closure.references import may_be_path
from clew.pipelines.closure.walk import Walk, shown

__all__ = ["Closure", "Fingerprint", "Walk", "closure_of", "fingerprint", "may_be_path", "shown"]
