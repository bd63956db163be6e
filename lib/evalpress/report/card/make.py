"""Writing the card of a finished report to `reports/<set>/card/`, measured numbers only."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from evalpress.core.plain import Options
from evalpress.core.results import Model
from evalpress.display.language import translated, using
from evalpress.display.text import escape_markdown, one_line
from evalpress.report.card import acceptance, flat, records, support, tables
from evalpress.report.card.scores import scores
from evalpress.report.card.source import Source, read
from evalpress.report.card.words import Words, change, count, in_language, number, share
from evalpress.sections.summary.results import Clause

_PAGES = ("README", "ADAPT_REPORT", "RUNBOOK")
_SHOWN = 5
"""At most this many examples in a table of the first page; the rest are in the full report."""
_LONGEST = 200
"""Lines of the first page."""
_NOT_SHOWN = ("vllm_distribution", "tokenizers", "safetensors")
_LANGUAGES = ("en",)
_PICTURES = ("benchmark", "serving", "alignment")
_ALT = re.compile(r"!\[((?:[^\]\\]|\\.)*)\]\(report_files/([^)]+\.(?:svg|png))\)")


def make(folder: Path, languages: Sequence[str] = ("en",)) -> list[Path]:
    """Write the card of the report in `folder`; returns the files. The card there is replaced as a whole.

    Args:
        folder: a finished report, `reports/<set>`.
        languages: the first is that of `README.md`, every other one of `README.<language>.md`.

    Raises:
        UserError: there is no finished report.
    """
    source = read(folder)
    target = folder / "card"
    building = Path(tempfile.mkdtemp(dir=folder, prefix=".card."))
    try:
        pictures = _pictures(source, building / "pictures")
        for index, language in enumerate(languages):
            for page in _PAGES:
                name = f"{page}.md" if index == 0 else f"{page}.{language}.md"
                (building / name).write_text(
                    _page(source, page, language, pictures, first=index == 0), encoding="utf-8"
                )
        _write_results(source, building / "bench_results")
        _write_records(source, building)
        (building / ".markdownlint.json").write_text('{"MD013": false}\n', encoding="utf-8")
        _write_scripts(source, building / "scripts")
        shutil.rmtree(target, ignore_errors=True)
        building.chmod(0o755)
        building.rename(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return sorted(path for path in target.rglob("*") if path.is_file())


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("evalpress.report.card"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown: every text of a model goes through `cell`
    )
    found.filters |= {
        "num": number,
        "count": count,
        "share": share,
        "change": change,
        "points": acceptance.points,
        "cell": _cell,
        "told": _told,
        "value": _value,
    }
    return found


def _cell(value: Any) -> str:
    """Text as one cell of a Markdown table: no markup, no line break."""
    return escape_markdown(one_line(str(value))) or " "


def _told(value: Any) -> str:
    """A text of this suite as one cell, in the language of the page."""
    return _cell(translated(str(value)))


def _value(found: Model, key: str) -> str:
    """A whole number of the results, or n/a with the reason."""
    value = getattr(found, key)
    return f"n/a ({_told(getattr(found, f'{key}_why'))})" if value is None else count(value)


def _page(source: Source, page: str, language: str, pictures: list[dict[str, str]], *, first: bool) -> str:
    """A page's text; of the first page with as many examples as its length allows."""
    head = f"{records.front_matter(source, scores(source), _LANGUAGES)}\n" if page == "README" else ""
    template = _environment().get_template(f"{page}.md.j2")
    text = ""
    with using(language):
        context = _context(source, language) | {"pictures": pictures}
        runbook = "RUNBOOK.md" if first else f"RUNBOOK.{language}.md"
        context["runbook"] = f"[{runbook}]({runbook})"
        context["acceptance"] = acceptance.table(source)
        context["records"] = [f"`{name}`" for name in _records(source)]
        for shown in range(_SHOWN, 0, -1):
            text = head + _spaced(template.render(context | {"shown": shown}))
            if page != "README" or text.count("\n") <= _LONGEST:
                break
    return text


def _spaced(text: str) -> str:
    """One empty line between blocks: headings, tables, quotes, code; code stays as it is."""
    out: list[str] = []
    before = ""
    fenced = False
    for line in text.strip("\n").splitlines():
        kind = "code" if fenced or line.startswith("```") else _kind(line)
        if out and out[-1] and line and (kind != before or kind == "heading"):
            out.append("")
        if line or fenced or (out and out[-1]):
            out.append(line)
        fenced ^= line.startswith("```")
        before = kind
    return "\n".join(out).strip("\n") + "\n"


def _kind(line: str) -> str:
    """The kind of Markdown block that a line outside of code belongs to."""
    kinds = {"#": "heading", "|": "table", ">": "quote", "-": "list"}
    return kinds.get(line[:1], "text")


def _context(source: Source, language: str) -> Options:
    """What the templates of the pages print."""
    words = in_language(language)
    setup, summary, provenance = source.setup.data, source.summary, source.provenance
    return {
        "t": words,
        "name": summary.model,
        "verdict": summary.verdict,
        "conclusion": _sentences(summary.conclusion, language),
        "notice": translated(summary.description),
        "device_memory": (provenance["device"] or {}).get("memory_total_gib"),
        "device": source.device or provenance["platform"],
        "date": provenance["end"][:10],
        "setup": setup,
        "config": tables.config(setup.model),
        "versions": [
            (key, value)
            for key, value in provenance["versions"].items()
            if value and key not in _NOT_SHOWN and "_why" not in key
        ],
        "host": provenance["host"],
        "commands": setup.runbook.commands,
        "settings": setup.runbook.settings,
        "headline": summary.headline,
        "states": summary.sections,
        "support": list(support.support(source)),
        "lengths": list(support.lengths(source)),
        "fallbacks": list(support.fallbacks(source)),
        "met": [gate for gate in summary.gates if gate.status in ("warn", "fail")],
        "reproduce": summary.command,
    } | _measured(source, words)


def _measured(source: Source, words: Words) -> Options:
    """What the templates print of the sections that a report may lack."""
    benchmark = source.benchmark.data if source.benchmark else None
    evidence = source.evidence.data if source.evidence else None
    alignment = source.alignment.data if source.alignment else None
    quality = source.quality.data if source.quality else None
    checks = [check for check in evidence.determinism if check.identical is not None] if evidence else []
    return {
        "benchmark": benchmark,
        "mode_names": [words(mode) for mode in benchmark.modes] if benchmark else [],
        "details": tables.details(benchmark, words) if benchmark else [],
        "phases": tables.PHASES,
        "cold": tables.cold_start(benchmark) if benchmark else None,
        "evidence": evidence,
        "checks": checks,
        "same_checks": sum(check.identical == check.of for check in checks),
        "alignment": alignment,
        "precision": tables.precision(alignment, words) if alignment else [],
        "last": tables.last_positions(alignment, evidence) if alignment else None,
        "quality": quality,
        "failed_cases": [case for case in quality.cases if case.verdict == "fail"] if quality else [],
    }


def _sentences(found: Sequence[Clause], language: str) -> str:
    return ("" if language == "zh" else " ").join(translated(one.text) for one in found)


def _pictures(source: Source, folder: Path) -> list[dict[str, str]]:
    """The first figure of each of these sections, with its text from the report's Markdown."""
    page = source.folder / "report.md"
    if not page.is_file():
        return []
    chosen: dict[str, dict[str, str]] = {}
    for alt, name in _ALT.findall(page.read_text(encoding="utf-8")):
        section = name.split("-")[0]
        if section in _PICTURES and section not in chosen and (source.folder / "report_files" / name).is_file():
            folder.mkdir(exist_ok=True)
            shutil.copyfile(source.folder / "report_files" / name, folder / name)
            chosen[section] = {"alt": one_line(alt), "name": name}
    return list(chosen.values())


def _write_results(source: Source, folder: Path) -> None:
    folder.mkdir()
    for name, content in flat.files(source).items():
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def _records(source: Source) -> dict[str, str]:
    """Path in the card -> content: the scores in the forms that others read."""
    found = scores(source)
    records_of_tasks = {
        name: json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        for name, record in records.every_eval_ever(source, found).items()
    }
    folders = {
        ".eval_results": records.eval_results(found),
        "every_eval_ever": records_of_tasks,
        "vllm-ascend": records.vllm_ascend(source, found),
    }
    return {f"{folder}/{name}": text for folder, files in folders.items() for name, text in files.items()}


def _write_records(source: Source, card: Path) -> None:
    """Write the scores in the forms that others read; a folder is there only where it has a file."""
    for name, text in _records(source).items():
        path = card / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _write_scripts(source: Source, folder: Path) -> None:
    """The offline snippet of the run book, and one script per measurement under the names of such repositories."""
    folder.mkdir()
    commands = {command.id: command.text for command in source.setup.data.runbook.commands}
    (folder / "inference.py").write_text(commands["offline"] + "\n", encoding="utf-8")
    template = (package_files("evalpress") / "report" / "card" / "templates" / "measure.py.txt").read_text(
        encoding="utf-8"
    )
    for name, section in _SCRIPTS.items():
        text = template.replace("SECTION", section).replace("SET", source.summary.set)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


_SCRIPTS = {
    "benchmark": "benchmark",
    "benchmark_compiled": "benchmark",
    "collect_inference_evidence": "evidence",
    "cpu_npu_precision": "alignment",
    "eval_quality": "quality",
}
