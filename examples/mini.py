"""The whole idea of clew in one file, with nothing but the standard library. Run it: python examples/mini.py

It is not clew: no crash safety, no concurrency, no formats. It is the thread that runs through clew, small enough to
read in one sitting. Each section says where the real thing lives.

    data version → cached step → run → gated model → decision → label → drift → why
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# ── Objects: bytes named by their hash ─────────────────────────────────────────────────────── src/clew/store/objects


class Objects:
    """What is written once is never changed, and its name proves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def put(self, value: Any) -> str:
        data = json.dumps(value, sort_keys=True).encode()
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        (self.folder / digest).write_bytes(data)
        return digest

    def get(self, digest: str) -> Any:
        data = (self.folder / digest).read_bytes()
        assert hashlib.blake2b(data, digest_size=16).hexdigest() == digest, "these bytes are not what their name says"
        return json.loads(data)


# ── Ledger: rows that name objects, edges between them, and every change as an event ───────── src/clew/store/ledger


class Ledger:
    """One row of what flows where is worth more than a page of documentation."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path)
        self.db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE nodes (name TEXT PRIMARY KEY, digest TEXT);"
            "CREATE TABLE edges (source TEXT, target TEXT, UNIQUE (source, target));"
            "CREATE INDEX backwards ON edges (target);"
            "CREATE TABLE aliases (alias TEXT PRIMARY KEY, version TEXT);"
            "CREATE TABLE cache (key TEXT PRIMARY KEY, digest TEXT);"
            "CREATE TABLE decisions (id TEXT PRIMARY KEY, version TEXT, inputs TEXT, score REAL, decision INT);"
            "CREATE TABLE labels (id TEXT PRIMARY KEY, label INT);"
            "CREATE TABLE events (at REAL, what TEXT, previous TEXT, hash TEXT);"
        )

    def add(self, name: str, digest: str, *sources: str) -> str:
        """A node that came of others."""
        with self.db:
            self.db.execute("INSERT OR REPLACE INTO nodes VALUES (?, ?)", (name, digest))
            self.db.executemany("INSERT OR IGNORE INTO edges VALUES (?, ?)", [(source, name) for source in sources])
            self.tell(f"{name} added")
        return name

    def tell(self, what: str) -> None:
        """Each event holds the hash of the one before: nobody changes the past unseen."""
        last = self.db.execute("SELECT hash FROM events ORDER BY rowid DESC LIMIT 1").fetchone()
        previous = last[0] if last else ""
        chained = hashlib.blake2b((previous + what).encode(), digest_size=16).hexdigest()
        self.db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (time.time(), what, previous, chained))

    def digest(self, name: str) -> str:
        return str(self.db.execute("SELECT digest FROM nodes WHERE name = ?", (name,)).fetchone()[0])

    def up(self, name: str) -> list[tuple[str, str]]:
        """Every edge on the way back: a query over an index, not a search."""
        sql = (
            "WITH RECURSIVE back (source, target) AS (SELECT source, target FROM edges WHERE target = ? UNION "
            "SELECT e.source, e.target FROM edges e JOIN back b ON e.target = b.source) SELECT * FROM back"
        )
        return self.db.execute(sql, (name,)).fetchall()


# ── Steps: a function whose result is known is not run again ────────────────────────────────── src/clew/pipelines


class Steps:
    """The key of a result is its code and all that went in. (clew follows every helper that the code reaches.)"""

    def __init__(self, ledger: Ledger, objects: Objects) -> None:
        self.ledger, self.objects, self.log = ledger, objects, list[str]()

    def __call__(self, function: Callable[..., Any], *inputs: Any) -> Any:
        key = self.objects.put([inspect.getsource(function), inputs])
        known = self.ledger.db.execute("SELECT digest FROM cache WHERE key = ?", (key,)).fetchone()
        self.log.append(f"{function.__name__} {'cached' if known else 'executed'}")
        if known:
            return self.objects.get(known[0])
        result = function(*inputs)
        with self.ledger.db:
            self.ledger.db.execute("INSERT INTO cache VALUES (?, ?)", (key, self.objects.put(result)))
        return result


# ── Value: metrics in money ─────────────────────────────────────────────────────────────────── src/clew/policy

MISSED, FALSE_ALARM = 50.0, 10.0


def score(model: list[float], row: list[float]) -> float:
    z = model[0] + sum(w * x for w, x in zip(model[1:], row, strict=True))
    return 1.0 / (1.0 + math.exp(-z))


def decide(probability: float) -> int:
    """The cheaper decision of a calibrated probability: no threshold to tune."""
    return int(probability * MISSED > (1.0 - probability) * FALSE_ALARM)


def cost(model: list[float], rows: list[list[float]]) -> float:
    total = 0.0
    for *inputs, truth in rows:
        decision = decide(score(model, inputs))
        total += MISSED if truth > decision else FALSE_ALARM if decision > truth else 0.0
    return total / len(rows)


# ── The user's own steps ───────────────────────────────────────────────────────────────────────


def split(rows: list[list[float]]) -> list[list[list[float]]]:
    cut = len(rows) * 3 // 4
    return [rows[:cut], rows[cut:]]


def fit(rows: list[list[float]]) -> list[float]:
    model = [0.0] * len(rows[0])
    for _ in range(150):
        gradient = [0.0] * len(model)
        for *inputs, truth in rows:
            error = truth - score(model, inputs)
            for i, x in enumerate([1.0, *inputs]):
                gradient[i] += error * x / len(rows)
        model = [w + 0.8 * g for w, g in zip(model, gradient, strict=True)]
    return model


def profile(rows: list[list[float]]) -> list[list[float]]:
    """Mean and spread of each column: part of the model, so that watching needs no configuration."""
    columns = list(zip(*rows, strict=True))[:-1]
    means = [sum(column) / len(column) for column in columns]
    spreads = [
        math.sqrt(sum((x - mean) ** 2 for x in column) / len(column))
        for column, mean in zip(columns, means, strict=True)
    ]
    return [means, spreads]


# ── What joins it ───────────────────────────────────────────────────────────────────────────── src/clew/loop


class Mini:
    def __init__(self, folder: Path) -> None:
        self.objects, self.ledger = Objects(folder / "objects"), Ledger(folder / "ledger.db")
        self.steps = Steps(self.ledger, self.objects)
        self.count = 0

    def add_data(self, name: str, rows: list[list[float]]) -> str:
        return self.ledger.add(f"data:{name}", self.objects.put(rows))

    def train(self, data: str) -> str:
        """A run: its data and code flow in, a model with everything that is known of it flows out."""
        self.count += 1
        rows = self.objects.get(self.ledger.digest(data))
        train, test = self.steps(split, rows)
        model = self.steps(fit, train)
        code = self.ledger.add("code:" + (source := self.objects.put(inspect.getsource(fit)))[:8], source)
        run = self.ledger.add(f"run:{self.count}", self.objects.put({"seed": 0}), data, code)
        package = {"model": model, "profile": self.steps(profile, train), "test": test}
        return self.ledger.add(f"model:{self.count}", self.objects.put(package), run)

    def promote(self, version: str, alias: str = "champion") -> bool:
        """The gate: a name moves only to a model that costs no more than its holder, on the same rows."""
        package = self.objects.get(self.ledger.digest(version))
        holder = self.champion(alias)
        if holder:
            champion = self.objects.get(self.ledger.digest(holder))["model"]
            if cost(package["model"], package["test"]) > cost(champion, package["test"]):
                self.ledger.tell(f"{version} refused as {alias}")
                return False
        with self.ledger.db:
            self.ledger.db.execute("INSERT OR REPLACE INTO aliases VALUES (?, ?)", (alias, version))
            self.ledger.tell(f"{alias} moved to {version}")
        return True

    def champion(self, alias: str = "champion") -> str:
        row = self.ledger.db.execute("SELECT version FROM aliases WHERE alias = ?", (alias,)).fetchone()
        return row[0] if row else ""

    def predict(self, id: str, inputs: list[float]) -> int:
        """Logged before it is answered."""
        version = self.champion()
        probability = score(self.objects.get(self.ledger.digest(version))["model"], inputs)
        with self.ledger.db:
            row = (id, version, json.dumps(inputs), probability, decide(probability))
            self.ledger.db.execute("INSERT INTO decisions VALUES (?, ?, ?, ?, ?)", row)
        return decide(probability)

    def label(self, id: str, truth: int) -> None:
        with self.ledger.db:
            self.ledger.db.execute("INSERT INTO labels VALUES (?, ?)", (id, truth))

    def drift(self) -> float:
        """How far the champion's inputs have moved from its training profile, in standard errors of the mean."""
        means, spreads = self.objects.get(self.ledger.digest(self.champion()))["profile"]
        found = self.ledger.db.execute("SELECT inputs FROM decisions WHERE version = ?", (self.champion(),))
        rows = [json.loads(inputs) for (inputs,) in found]
        live = [sum(column) / len(column) for column in zip(*rows, strict=True)]
        away = (abs(a - m) / s for a, m, s in zip(live, means, spreads, strict=True))
        return max(away) * math.sqrt(len(rows))

    def labelled(self) -> list[list[float]]:
        """Decisions whose truth has come are training data, exactly as the model saw them."""
        sql = "SELECT inputs, label FROM decisions JOIN labels USING (id) ORDER BY id"
        return [[*json.loads(inputs), label] for inputs, label in self.ledger.db.execute(sql)]

    def why(self, id: str) -> list[str]:
        """The thread, from one decision back to everything behind it, and a replay that proves it."""
        sql = "SELECT version, inputs, score, decision, label FROM decisions LEFT JOIN labels USING (id) WHERE id = ?"
        version, inputs, logged, decision, label = self.ledger.db.execute(sql, (id,)).fetchone()
        again = score(self.objects.get(self.ledger.digest(version))["model"], json.loads(inputs))
        story = [f"decision {id}: {decision} (score {logged:.4f}), in truth {label}"]
        story.append(f"replayed: {'bit for bit the same' if again == logged else 'DIFFERENT'}")
        story += [f"{target}  ←  {source}" for source, target in self.ledger.up(version)]
        return story


def world(rows: int, shift: float, seed: int) -> list[list[float]]:
    """Two inputs and a truth; `shift` moves the world."""
    rng = random.Random(seed)
    made = []
    for _ in range(rows):
        a, b = rng.gauss(shift, 1.0), rng.gauss(0.0, 1.0)
        made.append([a, b, float(rng.random() < 1.0 / (1.0 + math.exp(-(1.2 * (a - 2 * shift) - b))))])
    return made


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        mini = Mini(Path(folder))
        first = mini.train(mini.add_data("history@1", world(400, 0.0, seed=1)))
        assert mini.promote(first)
        mini.train("data:history@1")
        print("train twice:  ", ", ".join(mini.steps.log))
        for i, (a, b, truth) in enumerate(world(400, 1.0, seed=2)):
            mini.predict(f"{i:04}", [a, b])
            mini.label(f"{i:04}", int(truth))
        print(f"the world moved: drift of {mini.drift():.0f} standard errors")
        live = mini.labelled()
        second = mini.train(mini.add_data("history@2", live))
        old, new = (mini.objects.get(mini.ledger.digest(v)) for v in (first, second))
        before, after = cost(old["model"], new["test"]), cost(new["model"], new["test"])
        print(f"retrained:       {before:.2f} a decision before, {after:.2f} after; promoted: {mini.promote(second)}")
        print("why 0007:", *mini.why("0007"), sep="\n  ")
        mini.ledger.db.close()


if __name__ == "__main__":
    main()
