"""The environment of a run: signals, logs on a full disk, users' own settings, foreign repositories, any text."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from evalpress import cli, params
from evalpress.cli.verb import set_name
from evalpress.core import lock, paths, progress, results
from evalpress.core.errors import MeasurementError, UserError
from evalpress.display.tables import Code, Details, Table, output
from evalpress.platforms import provenance
from evalpress.run import terminal
from evalpress.run.logs import LogPump
from evalpress.run.signals import Interrupted, interruptible, raise_if_heard
from hypothesis import example, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]


def test_a_signal_that_the_caller_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(Interrupted), interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            raise_if_heard()
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("log", ["/dev/full", "/proc/none/x.log"])
def test_a_log_that_cannot_be_written_is_told_once_and_the_pipe_is_emptied(log, capsys):
    pump = LogPump()
    pump.to(Path(log), append=True)
    code = "import sys\nfor i in range(4000): print('x' * 100)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=pump.write_end)
    pump.started()
    assert child.wait(60) == 0
    pump.close()
    told = capsys.readouterr().out
    assert told.count("\n") == 1 and "log not written" in told and "the run goes on" in told


def test_a_secret_is_hidden_in_a_log_even_where_it_comes_in_two_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("evalpress.core.secrets._known", {"hf_SECRET"})
    pump = LogPump()
    pump.to(tmp_path / "x.log", append=False)
    for piece in (b"one hf_SEC", b"RET two\nthree hf_SECRET", b" four"):
        os.write(pump.write_end, piece)
        pump.settle()
    pump.started()
    pump._thread.join(10)
    assert (tmp_path / "x.log").read_bytes() == b"one *** two\nthree *** four"


def test_a_progress_file_that_cannot_be_written_ends_no_measurement(monkeypatch):
    monkeypatch.setenv("EVALPRESS_PROGRESS", "/dev/full")
    progress.step("loading the engine")


def test_a_full_disk_leaves_the_old_results_and_one_line(tmp_path, monkeypatch):
    path = tmp_path / "quality.json"
    results.write_json(path, {"old": 1})

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.os, "fdopen", lambda handle, *args, **more: contextlib.closing(Full()))
    monkeypatch.setattr(contextlib.closing, "write", Full.write, raising=False)
    monkeypatch.setattr(contextlib.closing, "__enter__", lambda self: self)
    with pytest.raises(MeasurementError, match=r"quality.json: cannot be written: No space left on device"):
        results.write_json(path, {"new": 2})
    monkeypatch.undo()
    assert results.read_json(path) == {"old": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["quality.json"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), MeasurementError("disk full"), MemoryError()]
)
def test_a_full_disk_or_memory_is_one_line_without_a_traceback(error, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "CACHE", tmp_path)

    def raises(*args: object) -> None:
        raise error

    monkeypatch.setattr("evalpress.cli.sets._sets", raises)
    assert cli.main(["sets"]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "unexpected" not in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_traceback_that_cannot_be_kept_is_still_one_line(capsys, monkeypatch):
    monkeypatch.setattr(cli, "CACHE", Path("/proc/none"))
    monkeypatch.setattr("evalpress.cli.sets._sets", lambda args: 1 // 0)
    assert cli.main(["sets"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interrupt_that_other_code_catches_is_not_lost():
    """An exception of a signal handler appears wherever the program is, such as inside somebody's `except`."""
    with pytest.raises(Interrupted), interruptible():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)  # a shell's background job has SIGINT ignored
        with pytest.raises(Interrupted):
            raise_if_heard()
    with interruptible():
        raise_if_heard()


def test_figures_are_the_same_bytes_whatever_the_users_matplotlibrc_says(tmp_path):
    rc = "figure.dpi: 30\nlines.linestyle: --\naxes.linewidth: 9\nfigure.autolayout: True\nsavefig.bbox: tight\n"
    (tmp_path / "matplotlibrc").write_text(rc + "axes.prop_cycle: cycler('color', ['ff00ff'])\nfont.weight: bold\n")
    code = (
        "from evalpress.display import figure_style as f\n"
        "with f.canvas(2) as (c, (a,)):\n    a.plot([1, 2], [3, 4], label='x')\n"
        "    print(f.finish(c, 'alt', 'caption').svg)"
    )
    made = []
    for rc_path in ("", str(tmp_path / "matplotlibrc")):
        env = {**os.environ, "PYTHONPATH": str(ROOT / "lib"), "MATPLOTLIBRC": rc_path or "/nonexistent"}
        made.append(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
    assert made[0] == made[1] and b"<svg" in made[0]


def test_the_commit_of_a_repository_around_the_project_is_not_ours(tmp_path, monkeypatch):
    run = {"cwd": tmp_path, "check": True, "capture_output": True}
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", "init", "-q", "."], **run)
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "outer"], **run)
    (tmp_path / "inner").mkdir()
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "inner")
    found = provenance.git_state()
    assert found["commit"] is None and "the repository around it" in found["commit_why"]
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert len(provenance.git_state()["commit"]) == 40
    elsewhere = tmp_path.parent / f"{tmp_path.name}-other"
    elsewhere.mkdir()
    monkeypatch.setattr(provenance, "ROOT", elsewhere)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert provenance.git_state()["commit_why"] == "not a git checkout"


def test_a_report_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written .*--reports-dir"), lock.held(tmp_path / "file" / "set"):
        pass


def test_a_cache_that_cannot_be_written_falls_back_to_a_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", Path("/proc"))
    monkeypatch.setattr(paths.os, "access", lambda path, mode: Path(path).is_relative_to(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert paths._cache() == tmp_path / "mine" / "evalpress"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert paths._cache().name == f"evalpress-cache-{os.getuid()}"


# The command line


@pytest.mark.parametrize(
    ("verb", "told"),
    [("reprot", "did you mean 'report'?"), ("staus", "did you mean 'status'?"), ("xyzzy", "allowed: ")],
)
def test_a_misspelt_verb_gets_a_suggestion(verb, told, capsys):
    assert cli.main([verb]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and told in err


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("title: t\n", "mine"),
        ("set: other\n", "other"),
        ('a: 1\nset: "my set"  # c\n', "my set"),
        ("  set: x\n", "mine"),
    ],
)
def test_clean_and_review_look_where_the_report_writes(tmp_path, text, name):
    (tmp_path / "mine.yaml").write_text(text)
    assert set_name(str(tmp_path / "mine.yaml")) == name
    assert set_name("qwen2-0.5b-cpu") == "qwen2-0.5b-cpu"


def test_the_name_of_a_file_stays_on_one_line(tmp_path):
    path = tmp_path / "a\nb\x1b[31m\udcff.yaml"
    path.write_text("title: t\n")
    with pytest.raises(UserError) as refused:
        params.load(str(path))
    assert r"a\nb\x1b[31m\udcff.yaml:1: set: found " in str(refused.value).splitlines()[0]
    assert all(line.isprintable() for line in str(refused.value).splitlines())


def test_sets_lists_usable_and_unusable_sets(tmp_path, monkeypatch, capsys):
    (tmp_path / "good.yaml").write_text("title: Good\nmodel: {path: models/demo}\nplatform: {backend: cpu}\n")
    (tmp_path / "bad.yaml").write_text("title: Bad\nplatform: {backend: cpu}\n")
    monkeypatch.setitem(params.load.__globals__, "PARAMS", tmp_path)
    assert cli.main(["sets"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["bad", "broken"], ["good", "cpu"]]


def test_a_terminal_that_lacks_a_character_gets_an_escape():
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT / "lib")}
    code = "import sys\nfrom evalpress import cli\nfrom evalpress.run.terminal import say\n"
    code += "sys.argv = ['evalpress', 'xx']\ncli.main()\nsay('a · b')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a \\xb7 b\n")


ANY = st.text(st.characters(codec=None, exclude_categories=[]), max_size=80)


@settings(deadline=None)  # the first example imports pandas
@given(ANY)
@example("\ud800")  # half of a surrogate pair alone in a column
def test_any_text_can_be_shown_in_html_markdown_and_on_a_terminal(text):
    table = Table("caption", ["a", "b"], [["x", Code(text)], ["y", output(text * 3)], ["z", text]])
    for shown in (table.html(), table.markdown(), Details("s", text).html(), terminal.printable(text)):
        shown.encode("utf-8")
    assert terminal.printable(text).isprintable() or not text
    assert table.to_frame().shape == (3, 2)
