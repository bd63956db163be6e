"""Signs of a broken engine: every planted one is found, and no human text gives one."""

from __future__ import annotations

import pytest
from evalpress.core.paths import ROOT
from evalpress.demo import corpus
from evalpress.params import prompts
from evalpress.sections.evidence import abnormal

CLEAN = (
    "Пётр Ильич Чайковский (Pyotr Ilyich Tchaikovsky) wrote The Nutcracker (Щелкунчик) in 1892.",
    "東京は日本の首都です。英語では Tokyo と書きます。한국어로는 도쿄입니다. 中文写作东京。",
    "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας. The angle α is 30°, Δx = 5 μm, and the resistance is 3 Ω.",
    "مرحبا بالعالم means “hello, world” in Arabic; שלום עולם is Hebrew.",
    "Emoji are fine 😀👍🏽, as are ﬁ ligatures, ½, №, ™ and … dashes — also ‘quotes’ and a\u00a0no-break space.",
    "| a | b |\n|---|---|\n| 1 | 2 |\n" + "-" * 80 + "\n" + "=" * 120,
    "la la la la la la la! Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily.",
    "def f(x):\n    return [0, 0, 0, 0, 0, 0, 0, 0]\n\nprint('\\t'.join(map(str, f(1))))\n",
    "ภาษาไทยใช้อักษรไทย และ English words too. हिन्दी देवनागरी में लिखी जाती है।",
    "x² + y² = r², the 1ˢᵗ and 2ⁿᵈ; 𝑎𝑏𝑐 in italics; ＡＢＣ in full width; ГОСТ 34.12-2015 «Кузнечик».",
)


def kinds(text, *args, **keys):
    return {alarm.kind for alarm in abnormal.scan(text, *args, **keys)}


@pytest.mark.parametrize("text", CLEAN)
def test_human_text_of_many_languages_gives_no_alarm(text):
    assert abnormal.scan(text) == []


def test_the_projects_own_texts_give_no_alarm():
    texts = [case.text for name in ("card", "alignment") for case in prompts.load((f"params/prompts/{name}.yaml",))]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")]
    texts += [f"{value}" for value in vars(corpus).values() if isinstance(value, str)]
    pieces = [text[at : at + 2000] for text in texts for at in range(0, len(text), 2000)]
    assert len(pieces) > 30
    assert [alarm for text in pieces for alarm in abnormal.scan(text)] == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The capital of France is \ufffd\ufffd, a city on the Seine.", "replacement_characters"),
        ("control \x03 characters", "replacement_characters"),
        ("The capital of France is ປາຣີສ, a city in Europe.", "script_burst"),
        ("Парис is a sіty with a towеr and a rivеr.", "script_burst"),
        ("is поэтому 因此 لذلك therefore लेकिन and", "script_burst"),
        ("I am sure. " + "the the " * 40, "repetition_loop"),
        ("Answer: " + "It is a city in France. " * 12, "repetition_loop"),
        ("!" * 3 + " ! ? " * 40, "repetition_loop"),
    ],
)
def test_planted_signs_are_found(text, kind):
    assert kinds(text) == {kind}


def test_a_character_that_the_token_limit_cuts_is_no_sign():
    assert kinds("中国的首\ufffd", cut=True) == set()
    assert kinds("中国的首\ufffd") == {"replacement_characters"}
    assert kinds("a\ufffdb", prompt="what is \ufffd?") == set()


def test_what_the_prompt_asks_for_is_expected():
    text = "In Lao, Paris is ປາຣີສ."
    assert kinds(text) == {"script_burst"}
    assert kinds(text, prompt="Write Paris in Lao, as in ລາວ.") == set()


def test_loops_are_looked_for_in_tokens_where_they_are_known():
    (alarm,) = abnormal.scan("x", [9, 8, *[1, 2, 3] * 20, 7])
    assert (alarm.kind, alarm.start, alarm.end) == ("repetition_loop", 2, 62)
    assert "a piece of 3 tokens, 20 times" in alarm.found
    assert abnormal.scan("x", [1, 2, 3] * 4 + list(range(100))) == []
    assert abnormal.scan("x", list(range(200))) == []


def test_ranks_far_from_the_best_token_are_a_sign():
    assert abnormal.scan("x", [], [1] * 97 + [2, 3, 2]) == []
    (far,) = abnormal.scan("x", [], [1] * 50 + [900] + [1] * 9)
    assert (far.kind, far.start, far.end) == ("token_rank", 50, 51)
    (often,) = abnormal.scan("x", [], [1, 1, 1, 1, 2] * 20)
    assert "20 of 100 tokens" in often.found
    assert abnormal.scan("x", [], [2, 2, 2]) == []  # too few to say
