"""What answers: a model version ready to score rows, in one thread, always with the same result for the same batch.

Not the choice between the runtimes, which was made when the package was built (`clew.serving.compile`), nor HTTP. With
a compiled graph neither scikit-learn nor polars is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid, Unavailable
from clew.core.extras import require
from clew.core.types.package import Decision, FileRole, Graph, ModelFormat, Package, RuntimeKind
from clew.core.types.signature import Scale, Signature, Task
from clew.registry.columns import rows_for
from clew.registry.formats.format import Trust
from clew.registry.package import load_model
from clew.serving.feed import feeder
from clew.serving.one_row import one_row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Positions = npt.NDArray[np.int64]
else:
    Numbers = Positions = Any  # NumPy is imported when a runtime is made, not with this module

__all__ = ["CompiledRuntime", "OriginalRuntime", "Prediction", "Runtime", "load_runtime", "open_session"]

Values = Mapping[str, Sequence[Any]]


class Prediction(msgspec.Struct, frozen=True):
    """What a model says of some rows, all in the order of the rows.

    Args:
        score: float64, (rows,): see `Signature`.
        label: int64, (rows,): positions in `Signature.classes`; None for regression.
        scores: float64, (rows, classes); None unless there are more than two classes.
    """

    score: Numbers
    label: Positions | None = None
    scores: Numbers | None = None


class Runtime(Protocol):
    """A model in memory. Threads may share one; equal batches give equal bits in every process with the same `id`."""

    @property
    def id(self) -> str:
        """Which library answers, with its version."""
        ...

    @property
    def kind(self) -> RuntimeKind:
        """The model's own library, or the compiled graph."""
        ...

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        ...

    def predict(self, values: Values) -> Prediction:
        """Score rows that were checked against the signature.

        Args:
            values: by column, lists or arrays of equal length, at least one row; None is null.

        Raises:
            Invalid: a column is missing, differs in length or holds what the model refuses.
        """
        ...

    def decide(self, values: Values) -> tuple[list[float], list[Any]]:
        """Score rows as `predict` does, for a request: scores, and decisions as the training labels had them.

        The decision of a regression is its score.
        """
        ...

    def decide_classes(self, values: Values) -> tuple[list[float], list[Any], list[list[float]]]:
        """As `decide`, with the score of each class for each row; only of a model of several classes."""
        ...


class _Rule:
    """How the numbers of a model become a prediction: shared by both runtimes."""

    def __init__(self, signature: Signature, decision: Decision) -> None:
        import numpy as np

        self.signature, self._np = signature, np
        self._binary = signature.task is Task.BINARY
        self._several = signature.task is Task.MULTICLASS
        self._threshold = decision.threshold
        self._costs = _costs(decision, signature)

    def prediction(self, numbers: Any) -> Prediction:
        """From (rows,), (rows, 1) or (rows, classes)."""
        np = self._np
        if self._several:
            scores = np.asarray(numbers, dtype=np.float64)
            label = scores.argmax(axis=1) if self._costs is None else self._cheapest(scores, self._costs)
            return Prediction(scores[np.arange(len(scores)), label], label, scores)
        column = numbers[:, -1] if numbers.ndim == 2 else numbers
        score = np.array(column, dtype=np.float64)
        if not self._binary:
            return Prediction(score)
        return Prediction(score, (score >= self._threshold).astype(np.int64))

    def _cheapest(self, scores: Numbers, costs: Numbers) -> Positions:
        """The decision with the least expected cost; a row's sum is the same however many rows there are.

        Of a row with a score that is none, that score: such a row has no expectation, and is refused by its score.
        """
        np, none = self._np, ~self._np.isfinite(scores)
        expected: Numbers = (scores[:, :, None] * costs).sum(axis=1)
        cheapest: Positions = np.where(none.any(axis=1), none.argmax(axis=1), expected.argmin(axis=1))
        return cheapest

    def decisions(self, numbers: Any) -> tuple[list[float], list[Any]]:
        """The same as plain lists, without the arrays in between: requests are small."""
        classes = self.signature.classes
        if self._several:
            return self.decisions_of_classes(numbers)[:2]
        column: list[float] = (numbers[:, -1] if numbers.ndim == 2 else numbers).tolist()
        if not self._binary:
            return column, column
        no, yes, threshold = classes[0], classes[1], self._threshold
        return column, [yes if score >= threshold else no for score in column]

    def decisions_of_classes(self, numbers: Any) -> tuple[list[float], list[Any], list[list[float]]]:
        """The same for several classes, with the scores of all of them."""
        found, classes = self.prediction(numbers), self.signature.classes
        labels = [] if found.label is None else [classes[at] for at in found.label.tolist()]
        return found.score.tolist(), labels, [] if found.scores is None else found.scores.tolist()


def _costs(decision: Decision, signature: Signature) -> Numbers | None:
    """What each decision costs, (classes, classes).

    Raises:
        Invalid: there are not as many costs as classes.
    """
    import numpy as np

    if not decision.costs:
        return None
    size = len(signature.classes)
    if [len(row) for row in decision.costs] != [size] * size:
        raise Invalid(f"this model has {size} classes, and the costs of its decisions are not {size} rows of {size}")
    return np.array(decision.costs, dtype=np.float64)


class CompiledRuntime:
    """An ONNX graph in ONNX Runtime."""

    kind = RuntimeKind.COMPILED

    def __init__(self, content: bytes, graph: Graph, signature: Signature, decision: Decision) -> None:
        self.signature = signature
        self.id = f"onnxruntime-{require('onnxruntime').__version__}"
        self._session = open_session(content)
        self._feed = feeder(graph)
        self._output = [graph.output]
        self._rule = _Rule(signature, decision)
        self._one = one_row(self._session, graph)

    def predict(self, values: Values) -> Prediction:
        """Score rows; see `Runtime`."""
        return self._rule.prediction(self._session.run(self._output, self._feed(values))[0])

    def raw(self, values: Values) -> Any:
        """The graph's numbers as they are, (rows,) or (rows, numbers a row)."""
        return self._session.run(self._output, self._feed(values))[0]

    def decide(self, values: Values) -> tuple[list[float], list[Any]]:
        """Score and decide rows; see `Runtime`."""
        if self._one is not None and (found := self._one(values, self._rule.decisions)) is not None:
            return found
        return self._rule.decisions(self._session.run(self._output, self._feed(values))[0])

    def decide_classes(self, values: Values) -> tuple[list[float], list[Any], list[list[float]]]:
        """Score and decide rows of several classes; see `Runtime`."""
        return self._rule.decisions_of_classes(self.raw(values))


class OriginalRuntime:
    """The model in its own library, as it was fitted."""

    kind = RuntimeKind.ORIGINAL

    def __init__(self, model: Any, signature: Signature, decision: Decision) -> None:
        self.signature, self._model = signature, model
        sklearn = require("sklearn")
        self.id = f"scikit-learn-{sklearn.__version__}"
        self._rule = _Rule(signature, decision)
        # sums that threads share out depend on how many there are
        self._threads = require("threadpoolctl").ThreadpoolController()
        if signature.scale is Scale.VALUE:
            self._score = model.predict
        else:
            self._score = model.predict_proba if signature.scale is Scale.PROBABILITY else model.decision_function

    def predict(self, values: Values) -> Prediction:
        """Score rows; see `Runtime`."""
        return self._rule.prediction(self._numbers(values))

    def decide(self, values: Values) -> tuple[list[float], list[Any]]:
        """Score and decide rows; see `Runtime`."""
        return self._rule.decisions(self._numbers(values))

    def decide_classes(self, values: Values) -> tuple[list[float], list[Any], list[list[float]]]:
        """Score and decide rows of several classes; see `Runtime`."""
        return self._rule.decisions_of_classes(self._numbers(values))

    def _numbers(self, values: Values) -> Any:
        rows = rows_for(self.signature, values)
        with self._threads.limit(limits=1):
            try:
                return self._score(rows)
            except (TypeError, ValueError) as error:
                raise Invalid(f"the model refuses these rows: {error}") from error


def load_runtime(
    package: Package, objects: Objects, *, trust: Trust | None = None, kind: RuntimeKind | None = None
) -> Runtime:
    """Make a package ready to answer.

    Args:
        package: the manifest.
        objects: where its files are.
        trust: what the project's policy allows beyond the built-in types; needed by the original runtime only.
        kind: which runtime, instead of the one that was chosen at registration.

    Raises:
        Invalid: there is no runtime of this kind.
        Denied: the original model holds something that is not trusted.
        MissingExtra: the library of this runtime is not installed.
        Unavailable: the installed library cannot run the graph.
    """
    if package.model.format is ModelFormat.MLFLOW:
        from clew.serving.mlflow_process import MlflowRuntime

        return MlflowRuntime(package, objects, trust or Trust())
    wanted = kind or package.compilation.chosen
    if wanted is RuntimeKind.ORIGINAL:
        if package.model.format is ModelFormat.ONNX:
            raise Invalid("this model is ONNX itself: it has no other runtime")
        model = load_model(objects, package, trust or Trust())
        return OriginalRuntime(model, package.signature, package.decision)
    file = package.find(FileRole.COMPILED)
    if file is None and package.model.format is ModelFormat.ONNX:
        file = package.model
    graph = package.compilation.graph
    if file is None or graph is None:
        raise Invalid("this model was not compiled", hint=f"because: {package.compilation.reason}")
    return CompiledRuntime(objects.get(file.digest), graph, package.signature, package.decision)


def open_session(content: bytes) -> Any:
    """An ONNX Runtime session in which equal batches give equal bits.

    Raises:
        MissingExtra: onnxruntime is not installed.
        Unavailable: it cannot run the graph.
    """
    ort = require("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # with two, a row's sum over trees depends on the size of its batch
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    ort.disable_telemetry_events()
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        hint = "install the version that the package's environment names, or serve it with runtime = original"
        raise Unavailable(f"onnxruntime {ort.__version__} cannot run this graph: {error}", hint=hint) from error
