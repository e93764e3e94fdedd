"""Where submitted steps run: in processes of this machine."""

from clew.pipelines.executors.process import ProcessExecutor, Target, target_of

__all__ = ["ProcessExecutor", "Target", "target_of"]
