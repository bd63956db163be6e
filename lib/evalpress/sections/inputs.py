"""Every file that sections read besides the set is read once before anything runs: a mistake is one line, exit 2."""

from __future__ import annotations

from collections.abc import Collection

from evalpress.params.schema import Params


def check(params: Params, sections: Collection[str]) -> None:
    """Read the prompts, cases, people's verdicts, published scores and the other report of these sections.

    Raises:
        UserError: `file:line: …` for the first mistake.
    """
    from evalpress.core.paths import resolve
    from evalpress.params import prompts
    from evalpress.sections.job import read_results
    from evalpress.sections.quality import judging, references
    from evalpress.sections.serving import inputs as serving

    speculation = params.benchmark.features.speculation
    if "benchmark" in sections and speculation:
        prompts.load(speculation.prompts)
    if {"serving", "evidence"} & set(sections):
        prompts.load(params.evidence.prompts)
    if "serving" in sections:
        serving.check(params)
    if "alignment" in sections:
        prompts.load(params.alignment.prompts)
    if "quality" not in sections:
        return
    judging.load_cases(params.quality.cases)
    judging.load_reviews(judging.path_of(params.set))
    lm_eval = params.quality.lm_eval
    if lm_eval.tasks and lm_eval.references:
        references.load_references(lm_eval.references)
    if params.quality.compare_with:
        read_results(resolve(params.quality.compare_with), "quality")
