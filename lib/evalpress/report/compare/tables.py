"""The tables of a comparison page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalpress.display.tables import (
    Badge,
    Cell,
    Change,
    ChangeInterval,
    Code,
    Column,
    Missing,
    Quantity,
    Table,
    output,
)
from evalpress.display.wording import metric_words, words
from evalpress.report.compare import Comparison
from evalpress.report.compare.conditions import NOT_KNOWN, NOT_SET
from evalpress.report.compare.row import Row, Verdict
from evalpress.report.compare.run import Run

VERDICTS: dict[Verdict, tuple[str, str]] = {
    "worse": ("fail", "worse"),
    "better": ("pass", "better"),
    "no_difference": ("info", "no difference shown"),
    "not_comparable": ("skipped", "not comparable"),
}
"""Verdict -> status of its badge, words."""
COUNTED: dict[Verdict, str] = {
    "worse": "{n} worse",
    "better": "{n} better",
    "no_difference": "{n} with no difference shown",
    "not_comparable": "{n} not comparable",
}
"""Verdict -> how many figures have it."""
_CONDITIONS = {
    "measured": "time of measuring",
    "kernel": "kernel of the operating system",
    "set": "parameter set",
    "devices": "number of devices",
    "commit": "commit of the suite",
}
"""Conditions whose word alone has other meanings."""
_NAMES = frozenset({"versions", "environment", "parameters"})
"""Topics whose conditions and values are names, shown letter by letter."""
_FIGURES = {
    "total_s": "start-up, import to ready",
    "ready_s": "server ready",
    "import_s": "import",
    "load_weights_s": "weights",
    "compile_s": "compilation",
    "graph_capture_s": "graph capture",
    "kv_cache_s": "KV cache",
    "model_weights_gib": "memory of the weights",
    "kv_cache_tokens": "KV cache capacity",
    "kl_divergence": "KL divergence from the reference",
    "rmse": "RMSE of the logits",
    "noise_ratio": "noise ratio",
    "top1_agreement": "top-1 agreement",
    "unexplained_flips": "unexplained flips",
    "pass_rate": "share passed",
    "pass_at_1": "share solved",
    "highest_throughput": "highest output throughput",
}


def badge(verdict: Verdict) -> Badge:
    """A verdict as a word with a symbol."""
    return Badge(*VERDICTS[verdict])


def figure_words(metric: str) -> str:
    """`benchmark.eager.decode.mean_ttft_ms` as "eager, decode: time to first token"."""
    section, *middle, last = metric.split(".")
    if section == "determinism" or not middle:
        named = words(last)
        return f"compiled against eager, {named}" if section == "benchmark" else named
    if middle[0] == "speed_up":
        return f"{words(last)}: {words(middle[1]) if middle[1:] else 'compiled'} against eager"
    if last == "accuracy":
        return f"{middle[0]}: accuracy"
    middle = [_load(one) for one in middle]
    cold = ["first start"] if section == "startup_cold" else []
    return f"{', '.join([*middle, *cold])}: {_FIGURES.get(last, metric_words(last))}"


def _load(key: str) -> str:
    """A part of a metric's key in words; `concurrency_8` as "8 at a time", `rate_2` as "2 req/s"."""
    kind, _, value = key.partition("_")
    if kind == "concurrency" and value:
        return f"{value} at a time"
    return f"{value} req/s" if kind == "rate" and value else words(key)


def heads(runs: Sequence[Run]) -> list[str]:
    """A name for each run, unique among them: the set, with the time of measuring where sets are alike."""
    labels = [run.label for run in runs]
    if len(set(labels)) == len(labels):
        return labels
    dated = [f"{run.label} {run.measured[:16].replace('T', ' ')}" for run in runs]
    return dated if len(set(dated)) == len(dated) else [f"{name} ({index})" for index, name in enumerate(dated, 1)]


def rows(caption: str, found: Iterable[Row], names: Sequence[str]) -> Table:
    """Rows of one section, with a verdict each; `names` are those of the two runs."""
    cells: list[tuple[Cell, ...]] = [
        (
            figure_words(row.metric),
            _value(row, row.a),
            _value(row, row.b),
            "" if row.ratio is None else Change(row.ratio),
            "" if row.ci_low is None or row.ci_high is None else ChangeInterval(row.ci_low, row.ci_high),
            badge(row.verdict),
            row.why,
        )
        for row in found
    ]
    heads: list[Column | str] = ["metric"]
    heads += [Column(name, align="right") for name in (names[0], names[-1])]
    heads += [Column("change", align="right"), Column("95 % interval", align="right"), Column("verdict", choose=True)]
    return Table(caption, [*heads, Column("what the verdict rests on", wide=True)], cells, tools=True)


def _value(row: Row, value: float | None) -> Cell:
    unit = {"×": "ratio"}.get(row.unit, row.unit)
    whole = int(value) if value is not None and not unit and value == int(value) else value
    return Missing(row.why) if value is None else Quantity(whole, unit)


def conditions(found: Comparison, names: Sequence[str]) -> Table:
    """What every run was made with; differences are marked."""
    cells = [
        (
            one.topic,
            Code(one.name) if one.topic in _NAMES else _CONDITIONS.get(one.name, one.name),
            "" if one.same else Badge("warn", "differs"),
            *(_condition(one.topic, value) for value in one.values),
        )
        for one in found.conditions
    ]
    differ = sum(not one.same for one in found.conditions)
    note = (
        f"{differ} of {len(cells)} conditions differ. Parameters are listed where they differ only. Measured rates are "
        "those of the machine itself during the run: on hosts of one description their change widens the intervals."
    )
    heads: list[Column | str] = ["topic", "condition", Column("difference"), *(Column(name) for name in names)]
    return Table("What the runs were made with", heads, cells, note=note)


def _condition(topic: str, value: str) -> Cell:
    return value if value in (NOT_KNOWN, NOT_SET) or topic not in _NAMES else Code(value)


def changed_cases(found: Comparison, names: Sequence[str]) -> Table:
    """Quality cases with another verdict, with both answers."""
    cells: list[tuple[Cell, ...]] = [
        (
            Code(one.id),
            one.category,
            Code(one.prompt),
            Badge(one.a),
            Badge(one.b),
            output(one.a_output),
            output(one.b_output),
        )
        for one in found.changes
    ]
    first, second = names[0], names[-1]
    heads: list[Column | str] = [
        "case", "category", Column("prompt", wide=True), first, second,
        Column(f"answer of {first}", wide=True), Column(f"answer of {second}", wide=True),
    ]  # fmt: skip
    return Table("Cases with another verdict", heads, cells)


def trend(found: Comparison, names: Sequence[str]) -> Table:
    """The headline figures of all runs."""
    cells: list[tuple[Cell, ...]] = []
    for one in found.trends:
        unit = {"×": "ratio"}.get(one.unit, one.unit)
        values = [
            Missing("not measured in that run") if p.value is None else Quantity(p.value, unit) for p in one.points
        ]
        cells.append((figure_words(one.metric), *values, "" if one.change is None else Change(one.change)))
    heads: list[Column | str] = [
        "metric",
        *(Column(name, align="right") for name in names),
        Column("last against first", align="right"),
    ]
    return Table("Headline figures over all runs", heads, cells)
