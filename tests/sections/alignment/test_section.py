"""The alignment section as a whole: on the demo model, with a saved reference, with a tokenizer that differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evalpress import engine, params
from evalpress.core import results
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.paths import ROOT
from evalpress.engine.answers import Generated
from evalpress.model import forward
from evalpress.sections.alignment import section
from evalpress.sections.alignment.__main__ import main as save_command
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from transformers import AutoTokenizer

pytestmark = pytest.mark.slow


class FakeEngine:
    """In place of vLLM: transformers in float32, off by 0.001 everywhere."""

    def __init__(self, run: forward.Pass) -> None:
        self.run = run
        self.tokenizer = AutoTokenizer.from_pretrained(ROOT / "models" / "demo")

    def tokenize(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text))

    block_size = 128
    sampler_mode = None

    def decode(self, prompts: list[Any], steps: int, others: Any = ()) -> list[Generated]:
        return [self._answer(list(ids), steps) for ids in prompts]

    def _answer(self, ids: list[int], steps: int) -> Generated:
        rows = []
        for _ in range(steps):
            rows.append(self.logits(tuple(ids), [len(ids) - 1])[0])
            ids = [*ids, int(rows[-1].argmax())]
        return Generated(tuple(ids[-steps:]), np.stack(rows))

    def logits(self, token_ids: tuple[int, ...], positions: list[int]) -> Any:
        ((_, part),) = forward.forward(self.run, {"text": token_ids}, {"text": positions})
        return part.values + np.float32(0.001)


def measured(job: Job) -> dict[str, Any]:
    """The section's results as JSON."""
    return section.measure(job).model_dump(mode="json", by_alias=True)


def demo_job(tmp_path: Path, **alignment: Any) -> Job:
    loaded = params.load("demo")
    changed = loaded.model_copy(
        update={"alignment": loaded.alignment.model_copy(update={"max_position": 40, "decode_tokens": 3, **alignment})}
    )
    return Job(by_name("alignment"), changed, tmp_path, "always")


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with forward.loaded(ROOT / "models" / "demo", "float32") as run:
        monkeypatch.setattr(engine, "get", lambda p, mode: FakeEngine(run))
        yield


@pytest.mark.usefixtures("fake_engine")
def test_the_section_on_the_demo_model(tmp_path: Path) -> None:
    job = demo_job(tmp_path, vllm_positions=4)
    found = measured(job)
    results.check_values(found, "alignment")
    assert set(found["candidates"]) == {"transformers_cpu", "vllm_eager", "vllm_compiled"}
    cpu = found["candidates"]["transformers_cpu"]
    assert (cpu["attention"], found["noise_floor"]["attention"]) == ("eager", "sdpa")
    assert 0.5 < cpu["noise_ratio"] < 2
    spent = found["reference"]
    lengths = {text["id"]: text["tokens"] for text in found["texts"]}
    answered = sum(text["tokens"] + 3 for text in found["texts"] if text["kind"] == "prompt")
    assert spent["tokens"] == sum(lengths.values()) + answered  # one answer per prompt: those of all runs are the same
    assert spent["gflop_s"] == pytest.approx(spent["gflop"] / spent["forward_s"])
    assert spent["share_of_matrix_rate"] == pytest.approx(spent["gflop_s"] / spent["matmul_gflop_s"])
    floor, vllm = found["noise_floor"], found["candidates"]["vllm_eager"]
    assert (floor["dtype"], floor["device"]) == ("bfloat16", "cpu")
    assert found["reference"]["dtype"] == "float32"
    assert 0 < floor["rmse"] < 0.2
    assert vllm["max_abs_err"] == pytest.approx(0.001, rel=0.02)
    assert vllm["flips"]["total"] == 0
    assert vllm["positions"]["compared"] == sum(min(4, text["tokens"]) for text in found["texts"])
    assert max(text["tokens"] for text in found["texts"]) == 40
    assert [row["token"] for row in found["last_tokens"]["vllm_eager"]] == [
        row["token"] for row in found["last_tokens"]["reference"]
    ]
    view = found["layers"]
    assert view["stages"][0] == "embedding"
    assert view["stages"][-1] == "logits"
    assert view["candidates"]["transformers_cpu"]["first_beyond_noise"] is None
    assert len(view["noise_floor"]["made"]) == len(view["stages"])
    assert [row["identical"] for row in found["batching"]["noise_floor"][:1]] == [5]
    decoded = found["decode"]
    assert set(decoded) == {f"vllm_{mode}{how}" for mode in ("eager", "compiled") for how in ("", "_concurrent")}
    assert "longer than a block of 128 tokens" in found["decode_why_not"]["vllm_eager_prefix_cache"]
    run = decoded["vllm_eager"]
    assert run["max_abs_err"] == pytest.approx(0.001, rel=0.02)
    assert (run["not_arg_max"], run["flips"]["total"], run["n_positions"]) == (0, 0, 15)
    assert [row["step"] for row in run["positions"][:3]] == [0, 1, 2]
    assert set(job.read_raw("positions")) == {"noise_floor", *found["candidates"], *(f"decode.{r}" for r in decoded)}


@pytest.mark.usefixtures("fake_engine")
def test_a_saved_reference_gives_the_same_numbers(tmp_path: Path) -> None:
    path = section.save_reference(demo_job(tmp_path).params, tmp_path / "saved.safetensors")
    computed = measured(demo_job(tmp_path / "a"))
    loaded = measured(demo_job(tmp_path / "b", reference_logits=str(path)))
    assert loaded["candidates"]["vllm_eager"]["rmse"] == computed["candidates"]["vllm_eager"]["rmse"]
    assert loaded["decode"] == {}
    assert "generated tokens" in loaded["decode_why_not"]["vllm_eager"]
    assert loaded["layers"] is None
    assert "file" in loaded["layers_why"]
    assert loaded["reference"]["forward_s"] is None
    assert "file" in loaded["reference"]["forward_s_why"]
    other = demo_job(tmp_path / "c", reference_logits=str(path), max_position=39)
    with pytest.raises(UserError, match="these logits are of another prompts"):
        section.measure(other)


@pytest.mark.usefixtures("fake_engine")
@pytest.mark.parametrize("change", ["missing start", "other merge"])
def test_an_engine_with_another_tokenizer_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def tokenize(self: FakeEngine, text: str) -> list[int]:
        ids = list(self.tokenizer.encode(text))
        return (
            ids[1:]
            if change == "missing start"
            else [*self.tokenizer.encode(text[:1]), *self.tokenizer.encode(text[1:])]
        )

    monkeypatch.setattr(FakeEngine, "tokenize", tokenize)
    with pytest.raises(MeasurementError, match="vllm_eager: capital-of-france: the engine's tokenizer gives token"):
        section.measure(demo_job(tmp_path))


@pytest.mark.engine
def test_vllm_agrees_with_transformers_and_with_its_own_first_token(tmp_path: Path) -> None:
    from evalpress.engine import Sampling

    job = demo_job(tmp_path, vllm_positions=6)
    found = measured(job)
    for mode in job.params.engine.modes:
        run = found["candidates"][f"vllm_{mode}"]
        assert run["cosine_similarity"] > 0.999
        assert run["noise_ratio"] < 2
        assert run["flips"]["unexplained"] == 0
        loaded = engine.get(job.params, mode)
        for row in found["last_tokens"][f"vllm_{mode}"]:
            text = next(text["text"] for text in found["texts"] if text["id"] == row["prompt_id"])
            assert loaded.generate([text], Sampling(max_tokens=1))[0].token_ids[0] == row["token"]


def test_the_command_that_saves_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "demo.safetensors"
    monkeypatch.setattr("sys.argv", ["evalpress.sections.alignment", "--set", "demo", str(path)])
    assert save_command() == 0
    assert f"{path.stat().st_size:,} bytes" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["evalpress.sections.alignment", "--set", "no-such-set", str(path)])
    assert save_command() == 2
    assert "no-such-set" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["evalpress.sections.alignment", str(tmp_path / "absent" / "file")])
    assert save_command() == 2
    assert "the folder does not exist" in capsys.readouterr().err
