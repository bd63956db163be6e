"""The alignment section's tables."""

from __future__ import annotations

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import (
    Badge,
    Cell,
    Code,
    Column,
    Details,
    Prose,
    Table,
    escape_markdown,
    number,
    pick,
)
from evalpress.sections.alignment.results import JudgedStages, Layers, Results, Run
from evalpress.sections.alignment.run_labels import runs_of

__dir__ = own_functions(__name__)

_METRICS: dict[str, Column | str] = {
    "n_positions": "positions",
    "top1_agreement": Column("top-1", "share"),
    "top5_overlap": Column("top-5 overlap", "share"),
    "cosine_similarity": Column("cosine", "cosine"),
    "mse": "MSE",
    "rmse": "RMSE",
    "max_abs_err": "max abs error",
    "relative_euclidean_distance": "relative distance",
    "kl_divergence": Column("KL", "nats"),
    "noise_ratio": Column("noise ratio", "ratio"),
    "centred_noise_ratio": Column("centred noise ratio", "ratio"),
}
"""Columns by key of the results: `metrics.pooled` of a run's positions; the noise ratios are of `noise.noise_ratio`."""
_NAMES = {
    "noise_floor": "noise floor: transformers, CPU, engine's dtype",
    "transformers_cpu": "transformers on the CPU, other attention kernels",
    "transformers_cuda": "transformers on the GPU",
    "transformers_npu": "transformers on the NPU",
}


def name_of(run: str) -> str:
    """A comparison run's name for a reader; `vllm_<mode>` for any mode of the set."""
    mode = run.removeprefix("vllm_")
    return _NAMES.get(run, run if run == mode else f"vLLM, {mode}")


def _named(document: Document[Results]) -> list[tuple[dict[str, str], Run]]:
    """A record per comparison run: its name under `run`, and its results."""
    return [({"run": name_of(name)}, run) for name, run in runs_of(document).items()]


def compared(document: Document[Results]) -> Table:
    """What was compared: engine, device, dtype and positions of each comparison run."""
    reference = document.data.reference
    rows: list[list[Cell]] = [
        ["reference", reference.engine, reference.device, reference.dtype, reference.n_positions, ""]
    ]
    platform = document.provenance["platform"]
    for name, run in runs_of(document).items():
        sampled = "a sample, evenly spaced" if run.positions.sampled else "every position"
        rows.append([name_of(name), run.engine, run.device or platform, run.dtype, run.n_positions, sampled])
    return Table("What was compared", ["run", "engine", "device", "dtype", "positions", "which"], rows)


def cost(document: Document[Results]) -> Prose:
    """What the reference's forward passes cost, and how near that is to what this machine's matrix products reach."""
    found = document.data.reference
    if found.forward_s is None:
        return Prose(f"The cost of the reference's forward passes is not known: {found.forward_s_why}.")
    more = (found.tokens or 0) > found.n_positions and document.data.decode
    answers = " (the texts, and again the prompts with the answers of the decode path)" if more else ""
    said = (
        f"The reference read {number(found.tokens or 0)} tokens{answers} in {found.batches} forward passes, one per "
        f"group of texts of similar length, in {number(found.forward_s)} s"
    )
    if found.share_of_matrix_rate is None or found.gflop_s is None or found.matmul_gflop_s is None:
        return Prose(f"{said}; its arithmetic is not known: {found.share_of_matrix_rate_why}.")
    return Prose(
        f"{said}: {number(found.gflop_s)} GFLOP/s, {number(found.share_of_matrix_rate, 'share')} of the "
        f"{number(found.matmul_gflop_s)} GFLOP/s that a large float32 matrix product reached at that moment. Both "
        "may be too low: other work of the report (servers that start) may have used the same cores. The benchmark "
        "measures its peak rates apart."
    )


def overall(document: Document[Results]) -> Table:
    """Each comparison run over all its positions."""
    columns: dict[str, Column | str] = {"run": "run", **_METRICS}
    note = (
        "Cosine (mean over positions) is in [−1, 1] by definition. KL is KL(softmax of the reference ‖ softmax of the "
        "candidate). The noise ratio is the run's RMSE over the noise floor's at the same positions; below 1 the run "
        "rounds less than the noise floor. Centred: of errors without their mean at each position, which softmax does "
        "not see. Other columns of runs with other positions are not comparable."
    )
    return Table.from_records(
        "Agreement with the reference, all compared positions", columns, _named(document), note=note
    )


def perplexity(document: Document[Results]) -> Table:
    """Perplexity of both sides on the texts themselves, over the positions whose next token is known."""
    columns: dict[str, Column | str] = {
        "run": "run",
        "perplexity_positions": "positions",
        "perplexity_reference": "reference",
        "perplexity_candidate": "candidate",
        "perplexity_difference": "difference",
    }
    note = (
        "exp of the mean negative log likelihood of the texts' own next tokens, of both sides at the same positions. "
    )
    note += "Runs of which other positions were compared have another perplexity of the reference."
    return Table.from_records("Perplexity", columns, _named(document), note=note)


def last_positions(document: Document[Results]) -> Table:
    """Each comparison run at the last position of the prompts, where the next token is decided."""
    columns: dict[str, Column | str] = {"run": "run", **_METRICS}
    del columns["noise_ratio"], columns["centred_noise_ratio"]
    records = [({"run": name_of(name)}, run.last_positions) for name, run in runs_of(document).items()]
    return Table.from_records("Agreement at the last position of the prompts", columns, records)


def prompts(document: Document[Results]) -> Table:
    """Per prompt and candidate: both sides' best token at the last position, and the metrics there."""
    rows: list[list[Cell]] = []
    for name, run in document.data.candidates.items():
        for found in run.prompts:
            if found.kind != "prompt":
                continue
            last, best, other = found.last_position, found.top5_reference[0], found.top5_candidate[0]
            rows.append(
                [
                    name_of(name),
                    found.id,
                    Badge("pass", "same") if best.id == other.id else Badge("warn", "flip"),
                    (Code(best.text), f" {best.id}"),
                    (Code(other.text), f" {other.id}"),
                    last.top5_overlap,
                    pick(last, "cosine_similarity"),
                    last.kl_divergence,
                ]
            )
    heads: list[Column | str] = [
        "candidate",
        "prompt",
        "top-1",
        "reference's best",
        "candidate's best",
        Column("top-5 overlap", "share"),
        Column("cosine", "cosine"),
        Column("KL", "nats"),
    ]
    return Table("Last position of each prompt", heads, rows, note="Tokens with their ids.")


def texts(document: Document[Results]) -> Table:
    """Per text and candidate over every compared position."""
    records = [({"run": name_of(name)}, text) for name, run in document.data.candidates.items() for text in run.prompts]
    columns: dict[str, Column | str] = {"run": "candidate", "id": "text", **_METRICS}
    return Table.from_records("Per text, all compared positions", columns, records)


def flips(document: Document[Results]) -> Table:
    """How many positions changed their best token, and how many of them the noise explains."""
    rows: list[list[Cell]] = []
    for name, run in runs_of(document).items():
        found = run.flips
        badge = Badge("pass", "none unexplained") if found.unexplained == 0 else Badge("fail", "unexplained")
        rows.append([name_of(name), badge, found.unexplained, found.within_noise, found.total, run.n_positions])
    return Table("Flips by run", ["run", "verdict", "unexplained", "within noise", "flips", "positions"], rows)


_SHOWN_FLIPS = 5
"""Explained flips per run that are written out; the rest is folded."""


def flip_sentences(document: Document[Results]) -> Prose:
    """One sentence for every unexplained flip of a candidate, and for the first explained ones of each."""
    said: list[str] = []
    for name, run in document.data.candidates.items():
        who = escape_markdown(name_of(name))
        explained = [flip for flip in run.flips.list if flip.verdict == "within_noise"]
        shown = [flip for flip in run.flips.list if flip not in explained[_SHOWN_FLIPS:]]
        said += [f"- {who}: {escape_markdown(flip.sentence)}" for flip in shown]
        rest = len(explained) - _SHOWN_FLIPS
        if rest > 0:
            said.append(f"- {who}: {rest} more flips, all within the noise, are in the folded list below.")
    return Prose("\n".join(said) or "No candidate flipped a token.")


def every_flip(document: Document[Results]) -> Details:
    """The sentences of all flips, folded."""
    lines = [
        f"{name_of(name)}: {flip.sentence}" for name, run in document.data.candidates.items() for flip in run.flips.list
    ]
    return Details(f"All {len(lines)} flips, one sentence each", "\n".join(lines) or "none", ours=True)


def batching(document: Document[Results]) -> Table:
    """What batching, padding and order change at the prompts' last positions, run by run."""
    records = [({"run": name_of(name)}, row) for name, rows in document.data.batching.items() for row in rows]
    columns: dict[str, Column | str] = {
        "run": "run",
        "arrangement": "the same prompts",
        "identical": "bit for bit the same",
        "of": "of",
        "max_abs_err": "max abs difference",
        "kl_divergence": Column("KL", "nats"),
        "flips": "flips",
    }
    return Table.from_records("Does it matter how prompts are batched?", columns, records, note="Against each alone.")


def decode(document: Document[Results]) -> Table:
    """The decode path: every run's generated tokens against the reference, step by step."""
    columns: dict[str, Column | str] = {
        "run": "run",
        "variant": "asked",
        **{key: _METRICS[key] for key in ("n_positions", "top1_agreement", "cosine_similarity", "max_abs_err")},
        **{key: _METRICS[key] for key in ("kl_divergence", "noise_ratio", "centred_noise_ratio")},
        "flips.unexplained": "unexplained flips",
        "not_arg_max": "not the arg max",
    }
    records = [({"run": _words(name)}, run) for name, run in document.data.decode.items()]
    missing = [f"{_words(name)}: {why}" for name, why in document.data.decode_why_not.items()]
    note = (
        "Tokens generated greedily with the raw logits of every step; prompt and answer scored teacher-forced by the "
        "reference and by the noise floor. Not the arg max: generated tokens that are not the best of their own logits."
    )
    return Table.from_records("The decode path", columns, records, note=" ".join([note, *missing]))


def layers(document: Document[Results]) -> Table:
    """Where the error grows: relative distance from the float32 reference after each stage of the model."""
    found = document.data.layers
    if found is None:
        return Table("Where the error grows", ["layers"], [[document.data.layers_why]])
    runs = {"noise_floor": found.noise_floor, **found.candidates}
    rows: list[list[Cell]] = [
        [stage, *(errors[index] for run in runs.values() for errors in (run.arrived, run.made))]
        for index, stage in enumerate(found.stages)
    ]
    verdicts = [f"{name_of(name)}: {_beyond(run)}" for name, run in found.candidates.items()]
    heads: list[Column | str] = ["after"]
    heads += [f"{_words(name)}, {what}" for name in runs for what in ("arrived", "made there")]
    return Table("Where the error grows", heads, rows, note=_limit_note(found) + "; ".join(verdicts) + ".")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _limit_note(found: Layers) -> str:
    """What the columns are, and where the limit comes from."""
    note = (
        "Relative Euclidean distance from the reference's hidden states. Arrived: with everything before it. Made "
        "there: with the reference's own states fed in; an MLP alone, its own input, without its attention's error. "
    )
    known = found.left_out
    if known is None:
        return note
    return note + (
        f"A stage is beyond the noise where it makes more than {number(found.limit)} times the largest error that "
        f"any of {len(found.honest)} correct implementations makes there ({'; '.join(found.honest)}). Each left "
        f"out in turn, one makes at most {number(known.largest_ratio)} times what the others make; "
        f"{known.beyond_limit} of {known.comparisons} such comparisons lie beyond the limit, so at most "
        f"{number(known.false_alarm_rate_upper_95, 'share')} of stages would (95 %). "
    )


def _beyond(run: JudgedStages) -> str:
    first = run.first_beyond_noise
    return f"first beyond the noise at {first}" if first else "no stage is beyond the noise"
