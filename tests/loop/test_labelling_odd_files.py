"""Whatever a file of labels holds: a clear refusal with nothing changed, or exactly the labels that stand in it."""

from __future__ import annotations

import csv
import io

import polars as pl
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clew.core.errors import Conflict, Invalid
from clew.loop.labelling import add_labels, read_label_file
from clew.serving.endpoint import declare
from clew.testing.life import Life

TRUE, FALSE = ["True", "true", "1", "1.0"], ["False", "false", "0", "0.0"]
OF_TEXT = {text: text in TRUE for text in (*TRUE, *FALSE)}
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), min_size=1, max_size=12)
NUMBERS = st.integers(-(2**70), 2**70).map(str) | st.floats().map(str) | st.from_regex(r"0[0-9]{1,5}", fullmatch=True)
ROWS = st.dictionaries(KEYS | NUMBERS, st.booleans() | st.none(), min_size=1, max_size=12)
STYLES = st.sampled_from([("1", "0"), ("true", "false"), ("True", "False"), ("1.0", "0.0")])
many = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def csv_of(rows: dict[str, bool | None], style: tuple[str, str], *, separator: str = ",", quoted: bool = False) -> str:
    out = io.StringIO()
    writer = csv.writer(
        out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    )
    writer.writerow(["flight", "late"])
    writer.writerows([key, "" if late is None else style[not late]] for key, late in rows.items())
    return out.getvalue()


def added(life: Life, name: str, content: bytes) -> dict[str, bool] | None:
    """What a file adds to the labels of a new endpoint; None where it is refused: nothing was added then."""
    stores = life.stores
    endpoint = declare(stores, f"late-{stores.ids()}", model="delay", alias="champion")
    path = life.workspace.root / name
    path.write_bytes(content)
    try:
        rows = read_label_file(stores, endpoint, path, label="late", name="flight")
        count = add_labels(stores, endpoint, rows, label="late", by_key="flight")
    except (Invalid, Conflict):
        count = None
    with stores.ledger.read() as tx:
        batches = tx.logs.list(endpoint.labels)
    frames = [pl.read_parquet(io.BytesIO(stores.objects.get(batch.object))) for batch in batches]
    found = [row for frame in frames for row in frame.select("key", "label").rows()]
    assert len(found) == (count or 0)
    return None if count is None else {key: OF_TEXT[label.strip('"')] for key, label in found}


def read_strictly(content: bytes) -> dict[str, bool] | None:
    """The labels in a CSV, read by other means; None where it cannot be."""
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header, *records = [record for record in lines if record]
        rows = [dict(zip(header, record, strict=True)) for record in records]
        return {row["flight"]: OF_TEXT[row["late"]] for row in rows if row["late"]}
    except (UnicodeDecodeError, csv.Error, ValueError, KeyError):
        return None


@many
@given(rows=ROWS, style=STYLES, separator=st.sampled_from(",;\t|"), quoted=st.booleans())
@example(rows={"007": True, "7": False}, style=("1", "0"), separator=",", quoted=False)
@example(rows={"a,b": True, 'c"d': None, "e\nf": False}, style=("True", "False"), separator=",", quoted=False)
def test_what_stands_in_a_csv_is_what_is_added(
    life: Life, rows: dict[str, bool | None], style: tuple[str, str], separator: str, quoted: bool
) -> None:
    content = csv_of(rows, style, separator=separator, quoted=quoted).encode()
    assert added(life, "labels.csv", content) == {key: late for key, late in rows.items() if late is not None}, content


@many
@given(rows=ROWS, cut=st.integers(1, 400), odd=st.binary(min_size=1, max_size=6))
def test_parquet_is_read_as_a_whole_or_refused(life: Life, rows: dict[str, bool | None], cut: int, odd: bytes) -> None:
    out = io.BytesIO()
    schema = {"flight": pl.String, "late": pl.Boolean}
    pl.DataFrame({"flight": list(rows), "late": list(rows.values())}, schema=schema).write_parquet(out)
    whole = out.getvalue()
    wanted = {key: late for key, late in rows.items() if late is not None}
    assert added(life, "labels.parquet", whole) == wanted
    assert added(life, "labels.parquet", whole[: max(0, len(whole) - cut)]) is None
    assert added(life, "labels.parquet", whole + odd) in (None, wanted)


@many
@given(rows=ROWS, style=STYLES, data=st.data())
def test_a_csv_that_is_damaged_is_refused_or_read_as_it_stands(
    life: Life, rows: dict[str, bool | None], style: tuple[str, str], data: st.DataObject
) -> None:
    content = csv_of(rows, style).encode()
    at = data.draw(st.integers(0, len(content)))
    how = data.draw(st.sampled_from(["cut", "insert", "replace", "utf-16", "latin-1", "bom", "crlf", "double"]))
    odd = data.draw(st.sampled_from([b'"', b",", b"\n", b"\xff", b"\0", b"7", b"late", b";"]))
    content = {
        "cut": content[:at],
        "insert": content[:at] + odd + content[at:],
        "replace": content[:at] + odd + content[at + len(odd) :],
        "utf-16": content.decode().encode("utf-16"),
        "latin-1": content.decode().encode("latin-1", "replace"),
        "bom": b"\xef\xbb\xbf" + content,
        "crlf": content.replace(b"\n", b"\r\n"),
        "double": content + content,
    }[how]
    found = added(life, "labels.csv", content)
    assert found is None or found == read_strictly(content), content
