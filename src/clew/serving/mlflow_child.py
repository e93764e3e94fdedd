"""The other end of `clew.serving.mlflow_process`: a program that loads one model with MLflow, and scores rows.

It runs in a Python that has mlflow and need not have clew: it imports the standard library, and mlflow, numpy and
pandas where it needs them. One argument: the folder of the model. Messages on standard input and output are JSON, each
behind its length in four bytes; it ends when its input does.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import warnings
from importlib import import_module
from typing import Any

_HEAD = struct.Struct(">I")


def _frame(columns: dict[str, list[Any]], container: str) -> Any:
    if container == "numpy":
        import numpy as np

        rows = np.array([[float("nan") if v is None else v for v in column] for column in columns.values()])
        return rows.T
    return import_module("pandas").DataFrame(columns)


def _conform(frame: Any, model: Any) -> Any:
    """The columns in the types that the model declares: JSON knows one kind of number."""
    schema = model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec():
        spec = schema.inputs[0] if schema is not None else None
        return frame if spec is None else frame.astype(spec.type)
    for column in schema.inputs:
        kind = column.type.to_pandas()
        if column.name in frame and str(kind) not in ("object", "datetime64[ns]"):
            frame[column.name] = frame[column.name].astype(kind)
        elif str(kind) == "datetime64[ns]":
            frame[column.name] = import_module("pandas").to_datetime(frame[column.name], unit="us")
    return frame


def _numbers(answer: Any) -> list[float]:
    import numpy as np

    values = np.asarray(answer)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise TypeError(f"the model answers with {values.dtype} of shape {values.shape}, not with a number a row")
    numbers: list[float] = values.astype(np.float64).tolist()
    return numbers


def main() -> None:
    """Load the model, say so, and score rows until there is no more input."""
    warnings.filterwarnings("ignore")
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what models print must not get between messages

    def tell(message: dict[str, object]) -> None:
        body = json.dumps(message).encode()
        target.write(_HEAD.pack(len(body)) + body)
        target.flush()

    try:
        model = import_module("mlflow.pyfunc").load_model(sys.argv[1])
    except Exception as error:  # noqa: BLE001 - foreign code: told to who started this, who raises it
        tell({"error": f"{type(error).__name__}: {error}"})
        return
    tell({"version": import_module("mlflow").__version__})
    while head := source.read(_HEAD.size):
        asked = json.loads(source.read(_HEAD.unpack(head)[0]))
        try:
            rows = _conform(_frame(asked["columns"], asked["container"]), model)
            tell({"scores": _numbers(model.predict(rows))})
        except Exception as error:  # noqa: BLE001 - foreign code: told to who asked
            tell({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
