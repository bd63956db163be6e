"""The evidence section's tables."""

from __future__ import annotations

from collections.abc import Sequence

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import Badge, Cell, Code, Column, Missing, Prose, Table, code, fence, fmt, output
from evalpress.sections.evidence.results import AbnormalOutputs, Alarm, Check, Divergence, Results

__dir__ = own_functions(__name__)

_PLATFORMS = {"ascend": "on Ascend", "cuda": "on CUDA", "cpu": "on CPU"}
_NAMES = {
    "same_engine_again": "the same engine, asked again",
    "batch_of_all": "all prompts in one batch",
    "shuffled_batch": "one batch in another order",
    "seeded_sampling": "drawn again with the same seed",
    "offline_against_server": "offline against server",
    "server_under_load": "the server under load",
    "vllm_against_transformers": "vLLM against transformers",
    "compiled_against_eager": "compiled against eager",
    "prefix_cache": "prefix cache on and off",
    "new_engine": "a new engine",
    "tensor_parallel": "one rank in place of several",
}


def _name(check: Check) -> str:
    return _NAMES.get(check.rung, check.rung.replace("_", " "))


def cases(document: Document[Results]) -> Table:
    """Every prompt with its output, finish reason, latency and hash; tokens below."""
    data = document.data
    rows: list[list[Cell]] = [
        [
            case.id,
            output(case.prompt),
            output(case.output),
            "; ".join(case.remarks) or "–",
            case.finish_reason,
            1e3 * case.ttft_s,
            1e3 * case.latency_s,
            Code(case.rendered_prompt),
            _tokens(case.prompt_token_ids),
            _tokens(case.output_token_ids),
            Code(case.sha256),
        ]
        for case in data.cases
    ]
    heads: list[Column | str] = [
        "case",
        Column("prompt", wide=True),
        Column("output", wide=True),
        "remark",
        "finish",
        Column("TTFT", "ms"),
        Column("E2EL", "ms"),
        Column("prompt as sent", detail=True),
        Column("prompt tokens", detail=True),
        Column("output tokens", detail=True),
        Column("SHA-256 of the output", detail=True),
    ]
    note = (
        f"Temperature 0, at most {data.sampling.max_tokens} tokens, {data.mode} engine, one request at a time. Open "
        "the line below a case for the prompt as it was sent, all token ids and the SHA-256 of the output's bytes."
    )
    return Table("What the model answers", heads, rows, note=note, anchor="evidence-case")


def _tokens(ids: Sequence[int]) -> Code:
    return Code(f"{len(ids):,} tokens\n{list(ids)}")


def checks(document: Document[Results]) -> Table:
    """The determinism checks: what was changed, how many outputs stayed the same, whether differences are explained."""
    rows = [_check(check) for check in document.data.determinism]
    heads: list[Column | str] = [
        Column("what was changed", wide=True),
        "result",
        "identical",
        "of",
        Column("compared", "tokens"),
        Column("per output", "tokens"),
        Column("rate of differences, upper 95 % bound", "%"),
        Column("same score to the last bit", wide=True),
        Column("first difference", wide=True),
    ]
    return Table(
        "Is it deterministic?",
        heads,
        rows,
        note="Compared token by token with the same prompts asked alone, over long outputs that do not stop at the "
        "model's end of text; a new engine is compared with the eager engine, the prefix cache with the same prompts "
        "without it, the server under load with the server alone. The bound is the largest rate of differences per "
        "token that this number of tokens cannot exclude (Clopper and Pearson); without any difference it is about 3 "
        "divided by the number of tokens. A batch that is asked again and gives the same outputs counts once. "
        "Explained: at every difference the reference's logits of both tokens are "
        "within the noise of the engine's dtype.",
    )


def _check(check: Check) -> list[Cell]:
    changed: Cell = check.changed + _proof(check)
    if check.identical is None:
        why = Missing(str(check.identical_why))
        return [changed, Badge("skipped", "not measured"), why, why, "–", "–", "–", "–", "–"]
    return [
        changed,
        _result(check),
        check.identical,
        check.of,
        _value(check.tokens, check.tokens_why),
        _value(check.output_tokens, "measured before this figure was kept"),
        _value(check.rate_upper_95 and 1e2 * check.rate_upper_95, check.rate_upper_95_why),
        _scores(check),
        _where(check.first_divergence) if check.first_divergence else "none",
    ]


def _value(value: float | None, why: str | None) -> Cell:
    return Missing(str(why)) if value is None else value


def _result(check: Check) -> Badge:
    if check.identical == check.of:
        return Badge("ok", "identical")
    if check.unexplained is None:
        return Badge("warn", "differs")
    return Badge("fail", "unexplained") if check.unexplained else Badge("ok", "explained")


def _scores(check: Check) -> Cell:
    if check.logprobs_identical is None:
        return Missing(str(check.logprobs_identical_why))
    return f"{check.logprobs_identical:,} of {check.logprobs_of:,}"


def _proof(check: Check) -> str:
    """What shows that the check was really made."""
    if check.cached_tokens is not None:
        return f" ({check.cached_tokens:,} of {check.prompt_tokens:,} prompt tokens came from the cache)"
    if check.identical_bytes is not None:
        return f" ({check.identical_bytes} of {check.of} outputs equal byte by byte)"
    if check.reference is not None:
        return " (every token of vLLM's answer is the most probable one in a forward pass over that answer)"
    return ""


def _where(found: Divergence) -> Cell:
    tokens = [
        (f"{token} ", Code(text)) if text else str(token)
        for token, text in zip((found.token, found.other_token), found.texts or ("", ""), strict=True)
    ]
    return (f"{found.case}, token {found.position + 1}: ", tokens[0], " / ", tokens[1])


def differences(document: Document[Results]) -> Table:
    """Every first difference of every check, with the reference's logits of its two tokens."""
    rows: list[list[Cell]] = [
        [_name(check), _verdict(one), _where(one), *_judged(one)]
        for check in document.data.determinism
        for one in check.divergences or ()
    ]
    heads: list[Column | str] = [
        "check",
        "result",
        Column("where", wide=True),
        "margin of the two",
        "lower one below the best",
        "noise there",
    ]
    return Table(
        "First differences",
        heads,
        rows or [["none: all measured outputs are identical", "–", "–", "–", "–", "–"]],
        note="Logits are those of transformers in float32 on the CPU after the same beginning. Noise: the largest "
        "change of a logit there by the engine's dtype alone. Two tokens that lie within twice the noise of the best "
        "one can change places by rounding: within noise. Near tie of experts: in a mixture of experts, rounding alone "
        "may send this token, or an earlier one of the text, to another expert. Any other difference is unexplained "
        "and fails its gate.",
    )


def _verdict(one: Divergence) -> Badge:
    """The verdict on a difference by the reference."""
    if one.logit_margin is None or one.shortfall is None or one.noise_max_abs_err is None:
        return Badge("warn", "no verdict")
    badges = {
        "within_noise": Badge("ok", "within noise"),
        "rerouted": Badge("ok", "near tie of experts"),
        "unexplained": Badge("fail", "unexplained"),
    }
    return badges.get(str(one.verdict), Badge("warn", "no verdict"))


def _judged(one: Divergence) -> list[Cell]:
    """The logits behind the verdict: margin, shortfall, noise."""
    if one.logit_margin is None:
        return [Missing(str(one.logit_margin_why))] * 3
    if one.shortfall is None or one.noise_max_abs_err is None:
        return [fmt(one.logit_margin), "–", "–"]
    return [fmt(one.logit_margin), fmt(one.shortfall), fmt(one.noise_max_abs_err)]


def abnormal(document: Document[Results]) -> Table:
    """Signs of a broken engine in the long outputs, by mode."""
    found = document.data.abnormal
    heads: list[Column | str] = ["mode", "outputs", "tokens", "worst rank", Column("signs", wide=True)]
    rows: list[list[Cell]] = [
        [
            row.mode,
            row.outputs,
            row.tokens,
            _value(row.worst_rank, row.worst_rank_why),
            _signs(row),
        ]
        for row in found or ()
    ]
    why = Missing(str(document.data.abnormal_why))
    return Table(
        "Abnormal outputs",
        heads,
        rows or [[why, why, why, why, why]],
        note="Searched for: replacement and unassigned characters, scripts that do not belong together, loops, and "
        "tokens that the float32 reference would not expect (rank 1: its best token, or one that rounding alone "
        "may put before the best). A small model may repeat "
        "itself without any fault of the engine: where the reference prefers the same tokens, the model causes the "
        "sign.",
    )


def _signs(row: AbnormalOutputs) -> str:
    return "; ".join(map(_sign, row.alarms)) or "none"


def _sign(alarm: Alarm) -> str:
    habit = {True: " (the reference writes the same)", False: "", None: f" ({alarm.habit_why})"}[alarm.habit]
    return f"{alarm.case}, {alarm.kind.replace('_', ' ')}: {alarm.found}{habit}"


def reliance(document: Document[Results]) -> Prose:
    """What a user may rely on, in one sentence."""
    data = document.data
    return Prose(f"**What to rely on.** {data.reliance or data.reliance_why}")


def settings(document: Document[Results]) -> Table:
    """What makes each check hold, by platform."""
    rows: list[list[Cell]] = [
        [
            _name(check),
            *[_listed(check.holds_with.get(name, ())) for name in _PLATFORMS],
        ]
        for check in document.data.determinism
    ]
    found = document.data.determinism_settings
    shown = ", ".join(f"{name}={value}" for name, value in found.items()) or "none of them"
    heads: list[Column | str] = ["check", *[Column(name, wide=True) for name in _PLATFORMS.values()]]
    note = f"Set in this run: {shown}. The run book in Setup says what each variable does, with the source."
    return Table("What makes a check hold", heads, rows, note=note)


def _listed(names: Sequence[str]) -> Cell:
    parts: list[Cell] = []
    for name in names:
        parts += [", " if parts else "", Code(name) if "=" in name and " " not in name else name]
    return tuple(parts) or "–"


def note(document: Document[Results]) -> Prose:
    """Base or instruct model, how that is known, and the note on the outputs."""
    data = document.data
    if data.base_model or data.chat_template is None:
        return Prose(f"**Note.** {data.note} How that is known: {data.base_model_how}.")
    return Prose(
        f"**Note.** This is an instruct model ({data.base_model_how}): every prompt went through its chat template, "
        f"SHA-256 {code(data.chat_template.sha256)}. The first prompt as it was sent:\n\n"
        f"{fence(data.cases[0].rendered_prompt, 'text')}"
    )
