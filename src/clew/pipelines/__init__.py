"""Steps, pipelines, and the cache between runs. Design: docs/design/cache-key.md."""

from clew.pipelines.closure import Closure, fingerprint
from clew.pipelines.codecs import Codec, Files, register
from clew.pipelines.current import Opener, current, set_opener
from clew.pipelines.explain import Change, Explanation, explain
from clew.pipelines.pending import Pending
from clew.pipelines.pipeline import Pipeline, pipeline
from clew.pipelines.preview import preview
from clew.pipelines.session import Session, session
from clew.pipelines.step import Step, step
from clew.pipelines.steps import LedgerSteps

__all__ = [
    "Change",
    "Closure",
    "Codec",
    "Explanation",
    "Files",
    "LedgerSteps",
    "Opener",
    "Pending",
    "Pipeline",
    "Session",
    "Step",
    "current",
    "explain",
    "fingerprint",
    "pipeline",
    "preview",
    "register",
    "session",
    "set_opener",
    "step",
]
