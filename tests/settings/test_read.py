"""Reading `clew.toml`: what it may say, what it may not, and how mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Invalid, Unavailable
from clew.core.types.checks import CheckSeverity, ColumnType, RuleCheck
from clew.core.types.value import BinaryValue
from clew.settings import EndpointSettings, GateSettings, Settings, Trigger, read_settings, settings_of

WHOLE = """
[project]
name = "flights"

[policy]
trusted_types = ["my.Encoder"]

[checks.flights]
rules = ["arrival >= departure", { that = "temp < 150", severity = "warn" }]

[checks.flights.columns]
departure = { type = "time", min = 2013-01-01T00:00:00Z, max_age_hours = 48 }
arrival   = { type = "time", nulls = 0.05 }
temp      = { type = "number", min = -40, max = 120, severity = "warn" }

[value.delay]
kind = "binary"
missed_cost = 50
false_alarm_cost = 10
unit = "day"

[gate.delay]
min_auc = 0.6
slices = ["origin"]

[endpoints.late]
model = "delay"
port = 9000

[monitor.late]
window = "hour"

[retrain.delay]
pipeline = "train.py:train"
data = { flights = "flights@latest" }
params = { depth = 6, weights = "balanced" }

[retrain.delay.promotion]
effect = 0.01
"""


def test_settings_that_are_a_link_to_nothing_are_not_none(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").symlink_to("shared.toml")
    with pytest.raises(Unavailable, match=r"link to shared\.toml"):
        read_settings(tmp_path / "clew.toml", {})


def test_a_whole_file() -> None:
    settings = settings_of(WHOLE)
    assert settings.project.name == "flights"
    assert settings.policy.trusted_types == ["my.Encoder"]
    checks = settings.checks["flights"]
    assert checks.columns["departure"].type is ColumnType.TIME
    assert checks.columns["departure"].min == "2013-01-01T00:00:00+00:00"
    assert checks.rules[1] == RuleCheck(that="temp < 150", severity=CheckSeverity.WARN)
    assert settings.value["delay"] == BinaryValue(missed_cost=50, false_alarm_cost=10, unit="day")
    assert settings.gate_of("delay").min_auc == 0.6
    assert settings.endpoint_of("late").port == 9000
    retrain = settings.retrain["delay"]
    assert (retrain.trigger, retrain.promotion.effect, retrain.promotion.confidence) == (Trigger.ANY, 0.01, 0.95)
    assert retrain.params == {"depth": 6, "weights": "balanced"}


def test_an_empty_file_is_all_defaults() -> None:
    settings = settings_of("")
    assert settings == Settings()
    assert settings.gate_of("any") == GateSettings()
    assert settings.endpoint_of("any") == EndpointSettings(model="any")


def test_a_file_that_is_not_there_names_the_project_after_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    folder.mkdir()
    assert read_settings(folder / "clew.toml", {}).project.name == "birds"


def test_a_file_with_windows_line_ends_and_a_mark_at_its_start_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clew.toml"
    path.write_bytes(b'\xef\xbb\xbf[project]\r\nname = "p"\r\n')
    assert read_settings(path, {}).project.name == "p"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[gat.delay]\nmargin = 1", "clew.toml: gat is no table that clew knows", "did you mean gate?"),
        ("[gate.delay]\nmin_acu = 1", "clew.toml: [gate.delay] min_acu is no setting", "did you mean min_auc?"),
        ("[gate.delay]\nxyzzy = 1", "clew.toml: [gate.delay] xyzzy is no setting", "known: aliases, beat_trivial"),
        (
            '[gate.delay]\nmargin = "x"',
            "clew.toml: [gate.delay] margin = 'x': expected a number, got a text",
            "",
        ),
        ("[gate.delay]\nconfidence = 95", "clew.toml: [gate.delay] confidence = 95.0 is not between 0 and 1", ""),
        ("gate = 1", "clew.toml: gate = 1 is no table", "write [gate]"),
        (
            '[endpoints.late]\nchecks = "flihgts"\n[checks.flights]\nmin_rows = 9',
            "clew.toml: [endpoints.late] checks = 'flihgts', but there is no [checks.flihgts]",
            "known: flights",
        ),
        (
            '[retrain.m]\npipeline = "a.py:b"\nevery_days = 0',
            "clew.toml: [retrain.m] every_days = 0.0 is not between 0 and 36500",
            "",
        ),
        ('[retrain.m]\npipeline = "a.py:b"\nevery_days = inf', "every_days = inf is not between 0 and 36500", ""),
        (
            '[retrain.m]\npipeline = "a.py:b"\ncooldown_days = 1e9',
            "cooldown_days = 1000000000.0 is no number from 0 to 36500",
            "",
        ),
        ("[audit]\nevery_hours = inf", "[audit] every_hours = inf is not between 0 and 876000", ""),
        ("[audit]\nevery_hours = nan", "[audit] every_hours = nan is not between 0 and 876000", ""),
        ("[gate]\ndelay = 1", "clew.toml: [gate] delay = 1 is no table", "write [gate.delay]"),
        ("[value.d]\nmissed_cost = 1", "clew.toml: [value.d] kind is missing", "one of binary, multiclass, regression"),
        ('[value.d]\nkind = "binry"', "clew.toml: [value.d] kind = 'binry' is none of its words", "mean binary?"),
        ("[value.d]\nkind = [1]", "clew.toml: [value.d] kind = [1] is none of its words", ""),
        ('[value.d]\nkind = "binary"\nmissed_cost = 1', "[value.d] false_alarm_cost is missing", "it has no default"),
        (
            '[value.d]\nkind = "binary"\nmissed_cost = 0\nfalse_alarm_cost = 1',
            "clew.toml: [value.d] missed_cost and caught_gain add up to 0",
            "both sums must be above 0",
        ),
        ('[retrain.d]\npipeline = "train"', "clew.toml: [retrain.d] pipeline = 'train' names no function", "train.py:"),
        ('[retrain.d]\npipeline = "a:b"\ntrigger = "drfit"', "[retrain.d] trigger = 'drfit' is none", "mean drift?"),
        ('[endpoints.x]\nport = "80"', "clew.toml: [endpoints.x] port = '80': expected a whole number, got a text", ""),
        ("[endpoints.x]\nport = 80.5", "[endpoints.x] port = 80.5: expected a whole number, got a number", ""),
        ("[endpoints.x]\nport = 70000", "clew.toml: [endpoints.x] port = 70000 is no port", ""),
        (
            '[policy]\ntrusted_types = ["a", 1]',
            "[policy] trusted_types[1] = 1: expected a text, got a whole number",
            "",
        ),
        ('[policy]\nallow_pickle = "yes"', "[policy] allow_pickle = 'yes': expected true or false, got a text", ""),
        ('[monitor.d]\nwebhook = "ftp://x"', "clew.toml: [monitor.d] webhook is no http:// or https:// address", ""),
        ('[monitor.d]\nwebhook = "http://[::1"', "[monitor.d] webhook is no http:// or https:// address", ""),
        ('[server]\nurl = "http://[::1"', "[server] url = 'http://[::1' is no address of a server", "projects/NAME"),
        ('[server]\nurl = "http://h:x/projects/p"', "url = 'http://h:x/projects/p' is no address of a server", ""),
        ('[server]\nurl = "http://h:99999"', "url = 'http://h:99999' is no address of a server", ""),
        ('[server]\nurl = "https://"', "url = 'https://' is no address of a server", ""),
        ('[storage]\nledger = "postgresql://a:b[c@h/d"', "[storage] ledger holds a password", "CLEW_LEDGER"),
        ('[storage]\nledger = "postgresql://h/d?password=x"', "[storage] ledger holds a password", "CLEW_LEDGER"),
        (
            "[monitor.d.thresholds]\nx = -1",
            "clew.toml: [monitor.d] thresholds.x = -1.0 is no number from 0 to 1e+12",
            "",
        ),
        ('[checks.f.columns]\na = { type = "intger" }', "[checks.f.columns.a] type = 'intger' is none", "integer?"),
        ('[checks.f.columns]\na = { type = "string", min = 1 }', "[checks.f] column 'a': min and max need", ""),
        ("[checks.f]\nrules = [1]", "clew.toml: [checks.f] rules[0] = 1: expected a text, got a whole number", ""),
        ('[checks.f]\nrules = [{ tht = "" }]', "clew.toml: [checks.f.rules[0]] tht is no setting", "that?"),
        ('[checks.f]\nrules = ["a >"]', "clew.toml: [checks.f] rule 'a >' cannot be read", ""),
        ("endpoint_defaults = {}", "clew.toml: endpoint_defaults is no table that clew knows", ""),
        ("x = [", "clew.toml is no TOML: Invalid value (at end of document)", ""),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, message: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        settings_of(text)
    assert message in caught.value.what
    assert hint in caught.value.hint


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e300", "1" + "0" * 30, "1" + "0" * 400])
@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("[storage]", "cache_gb"),
        ("[policy]", "approvals"),
        ("[audit]", "every_hours"),
        *(("[gate.m]", key) for key in ("margin", "confidence", "min_rows", "min_units", "min_auc", "max_latency_ms")),
        ("[gate.m]", "slice_margin"),
        *(("[endpoints.m]", key) for key in ("port", "max_rows")),
        ("[monitor.m.thresholds]", "age"),
        *(('[retrain.m]\npipeline = "t.py:t"', key) for key in ("every_days", "cooldown_days")),
        *(
            ('[retrain.m]\npipeline = "t.py:t"\n[retrain.m.promotion]', key)
            for key in ("effect", "confidence", "min_units", "max_units")
        ),
        ('[value.m]\nkind = "binary"\nfalse_alarm_cost = 1', "missed_cost"),
        ('[value.m]\nkind = "binary"\nfalse_alarm_cost = 1\nmissed_cost = 1', "decisions_per_day"),
        ('[value.m]\nkind = "regression"\nunder_cost = 1', "over_cost"),
        ("[checks.d]", "min_rows"),
        ('[checks.d.columns.a]\ntype = "time"', "max_age_hours"),
        ('[checks.d.columns.a]\ntype = "string"', "min_length"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(table: str, key: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        settings_of(f"{table}\n{key} = {value}\n")
    assert str(caught.value).startswith("clew.toml: [")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "ledger", ["postgresql://[::1/db", "postgresql://h:5432,i:5432/db", "postgresql://u:@/d?host=/a:b"]
)
def test_a_ledger_without_a_password_is_left_to_its_driver(ledger: str) -> None:
    assert settings_of(f'[storage]\nledger = "{ledger}"').storage.ledger == ledger


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "clew.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(Invalid, match="not UTF-8: byte 0"):
        read_settings(path, {})
    with pytest.raises(Unavailable):
        read_settings(tmp_path, {})


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("CLEW_LEGDER", "CLEW_LEDGER"),
        ("CLEW_OBJECT", "CLEW_OBJECTS"),
        ("CLEW_SIGNING_KYE", "CLEW_SIGNING_KEY"),
        ("CLEW_ACTR", "CLEW_ACTOR"),
    ],
)
def test_a_misspelt_variable_is_refused(variable: str, meant: str) -> None:
    with pytest.raises(Invalid, match=f"{variable} is no variable that clew reads\n.*did you mean {meant}"):
        settings_of("", environ={variable: "x"})


def test_variables_of_others_are_none_of_ours() -> None:
    for variable in ("CLEW_FLIGHTS", "CLEW_SERVER_OPEN", "CLEW_TEST_DATABASE", "MY_CLEW_LEGDER", "clew_legder"):
        assert settings_of("", environ={variable: "x"}) == settings_of("")


def test_the_environment_stands_above_the_file() -> None:
    environ = {
        "CLEW_PROJECT": "p",
        "CLEW_PORT": "9",
        "CLEW_HOST": "0.0.0.0",
        "CLEW_WEBHOOK": "https://x",
        "CLEW_X": "y",
    }
    settings = settings_of(WHOLE, environ=environ)
    assert settings.project.name == "p"
    for endpoint in ("late", "undeclared"):
        assert (settings.endpoint_of(endpoint).host, settings.endpoint_of(endpoint).port) == ("0.0.0.0", 9)
        assert settings.monitor_of(endpoint).webhook == "https://x"
    assert settings.endpoint_of("late").model == "delay"


def test_an_empty_variable_sets_nothing_and_a_wrong_one_is_refused() -> None:
    assert settings_of(WHOLE, environ={"CLEW_PORT": ""}) == settings_of(WHOLE)
    with pytest.raises(Invalid, match="CLEW_PORT = 'x' is no whole number"):
        settings_of("", environ={"CLEW_PORT": "x"})
    with pytest.raises(Invalid, match="the environment: port = 99999 is no port"):
        settings_of("", environ={"CLEW_PORT": "99999"})


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        settings_of("").project = None  # type: ignore[misc,assignment]
