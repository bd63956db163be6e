"""Links from a report's page to the files beside it: Markdown, results, raw observations, the list, the repository."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from evalpress.core.paths import ROOT
from evalpress.display.language import enumerated, phrase
from evalpress.display.tables import escape_html
from evalpress.platforms import shell

_PLACE = re.compile(r"(<!-- files -->).*?(<!-- end of files -->)", re.DOTALL)
_REMOTE = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^/@]*@)?|[\w.-]+@)(?P<host>[\w-]+(?:\.[\w-]+)+)(?::\d+)?[:/]"
    r"(?P<path>[\w./~-]+?)(?:\.git)?/?"
)
_RAW_ZIP = "raw observations (zip)"
_BESIDE = {"report.md": "Markdown", "summary.json": "verdict and gates (JSON)"}


def placed(page: str, folder: Path, above: Mapping[str, str] | None = None) -> str:
    """`page` with links to the files that are in `folder`, the page's own, after those of `above`: address -> words."""
    made = _list(folder, above or {})
    return _PLACE.sub(lambda match: f"{match[1]}{made}{match[2]}", page, count=1)


def _list(folder: Path, above: Mapping[str, str]) -> str:
    items = [_link(address, phrase(words)) for address, words in above.items()]
    items += [_link(name, phrase(words)) for name, words in _BESIDE.items() if (folder / name).is_file()]
    if results := _results(folder):
        named = enumerated(_link(f"results/{name}", name.removesuffix(".json")) for name in results)
        items.append(phrase("results (JSON): {named}", named=named))
    items += _raw(folder)
    items += _commit(folder)
    listed = "".join(f"<li>{item}</li>" for item in items)
    return (
        f'<nav class="ep-files" aria-label="{phrase("Files of this report")}"><ul>{listed}</ul></nav>' if items else ""
    )


def placed_in_markdown(text: str, folder: Path, page: str) -> str:
    """`text` with links to the files that are in `folder`, its HTML `page` first, in place of those that it has."""
    beside = {page: "page (HTML)", "summary.json": _BESIDE["summary.json"], "results/raw.zip": _RAW_ZIP}
    links = [f"[{phrase(words)}]({quote(name)})" for name, words in beside.items() if (folder / name).is_file()]
    if results := _results(folder):
        named = enumerated(f"[{name.removesuffix('.json')}](results/{quote(name)})" for name in results)
        links.append(phrase("results (JSON): {named}", named=named))
    if (folder / "results" / "raw").is_dir():
        links.append(f"[{phrase('raw observations')}](results/raw/)")
    made = "\n\n" + "".join(f"- {link}\n" for link in links) + "\n" if links else ""
    return _PLACE.sub(lambda match: f"{match[1]}{made}{match[2]}", text, count=1)


def _results(folder: Path) -> list[str]:
    """Names of the results files of the sections."""
    return sorted(path.name for path in (folder / "results").glob("*.json") if path.name != "status.json")


def _link(path: str, words: str) -> str:
    return f'<a href="{escape_html(quote(path))}">{escape_html(words)}</a>'


def _raw(folder: Path) -> Iterator[str]:
    """Raw observations: their files, or the archive."""
    if (folder / "results" / "raw.zip").is_file():
        yield _link("results/raw.zip", phrase(_RAW_ZIP))
    raw = folder / "results" / "raw"
    if names := sorted(str(path.relative_to(folder)) for path in raw.rglob("*") if path.is_file()):
        files = "".join(f"<li>{_link(name, Path(name).stem)}</li>" for name in names)
        told = phrase("raw observations: {names} files", names=len(names))
        yield f"<details><summary>{told}</summary><ul>{files}</ul></details>"


def commit_of(folder: Path) -> str:
    """The state of this suite that measured all results of `folder`; "" where it is not known or not one."""
    found = {one for path in (folder / "results").glob("*.json") if (one := _measured_by(path))}
    return found.pop() if len(found) == 1 else ""


def _commit(folder: Path) -> Iterator[str]:
    """The state of this suite that measured, with a link where its repository has an address on the web."""
    commit = commit_of(folder)
    if not commit:
        return
    web = web_address(shell.output(("git", "-C", str(ROOT), "remote", "get-url", "origin")) or "")
    short = escape_html(commit[:10])
    linked = f'<a href="{escape_html(f"{web}/tree/{commit}")}">{short}</a>' if web else short
    yield phrase("suite at {short}", short=linked)


def _measured_by(path: Path) -> str:
    try:
        commit = json.loads(path.read_text(encoding="utf-8"))["provenance"]["git"]["commit"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return str(commit) if commit else ""


def web_address(remote: str) -> str:
    """The page of a git repository by its remote: without user, password and port; "" for a path or a bare host."""
    found = _REMOTE.fullmatch(remote.strip())
    return f"https://{found['host']}/{found['path'].strip('/')}" if found else ""
