"""Secrets: hidden by name in parameters and variables, by value in any text that is written."""

from __future__ import annotations

import json

import pytest
from evalpress.core import results, secrets
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(secrets, "_known", set())


@pytest.mark.parametrize(
    "name",
    [
        *("HF_TOKEN", "hf_token", "VLLM_API_KEY", "api_key", "api-key", "token", "DB_PASSWORD", "PGPASSWORD", "apikey"),
        *("AWS_ACCESS_KEY_ID", "DB_PASS", "GITHUB_PAT", "apiToken", "accessKey", "clientSecret", "MYTOKEN", "LDAP_PWD"),
        *("COOKIE", "X-Api-Key", "api_keys", "access_tokens", "secrets", "passwords", "NPM_AUTH", "SSH_PASSPHRASE"),
    ],
)
def test_names_of_secrets(name):
    assert secrets.is_secret_name(name)
    assert secrets.redacted({name: "short"}) == {name: "***"}


@pytest.mark.parametrize(
    "name",
    [
        *("max_tokens", "TOKENIZERS_PARALLELISM", "tokenizer", "keyboard", "monkey", "path", "PWD", "OLDPWD", "bypass"),
        *("bos_token", "eos_token", "image_token", "special_token", "sort_key", "keys", "tokens", "author", "compass"),
    ],
)
def test_names_of_no_secrets(name):
    assert not secrets.is_secret_name(name)
    assert secrets.redacted({name: "short"}) == {name: "short"}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://bench:s3cretpw@127.0.0.1:8000/v1", "http://***@127.0.0.1:8000/v1"),
        ("http://bench:a@b@host/x", "http://***@host/x"),
        ("https://tok@[::1]:8000", "https://***@[::1]:8000"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:8000", "http://host:8000"),
    ],
)
def test_the_login_of_an_address_is_hidden(address, shown):
    assert secrets.redacted({"base_url": address}) == {"base_url": shown}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"api_key": "abcdef", "x": 1}', '{"api_key": "***", "x": 1}'),
        ("--api-key abcdef --max-tokens 5", "--api-key *** --max-tokens 5"),
        ("--api-key=abcdef", "--api-key=***"),
        ("https://host/x?token=abcdef&a=b", "https://host/x?token=***&a=b"),
        ("Authorization: Bearer abcdef", "Authorization: ***"),
        ("max_tokens: 5, eos_token=<|end|>", "max_tokens: 5, eos_token=<|end|>"),
    ],
)
def test_what_a_text_gives_a_secrets_name_is_hidden(text, shown):
    assert secrets.redacted({"ARGUMENTS": text}) == {"ARGUMENTS": shown}
    secrets.remember({"ARGUMENTS": text}, inside=True)
    assert ("abcdef" in secrets.scrub("the server said abcdef")) == ("abcdef" not in text)


def test_a_word_of_every_report_is_no_secret():
    secrets.remember({"CACHE_TOKEN": "default", "eos_token": "<|endoftext|>", "title": "The key: nothing"})
    text = "default <|endoftext|> nothing"
    assert secrets.scrub(text) == text


def test_a_known_secret_is_found_in_any_text_and_every_form():
    secrets.remember({"engine": {"extra": {"hf_token": "hf_SECRET2"}}, "base_url": "http://me:p%40ssword1@host"})
    for form in ("hf_SECRET2", "p%40ssword1", "p@ssword1", "bWU6cEBzc3dvcmQx"):
        assert form not in secrets.scrub(f"before {form} after")
        assert form.encode() not in secrets.scrub_bytes(f"before {form} after".encode())
    assert secrets.scrub("nothing here") == "nothing here"


def test_words_that_are_too_short_to_be_replaced_are_left():
    secrets.remember({"api_key": "abc"})
    assert secrets.scrub("abcdef") == "abcdef"


def test_no_results_file_holds_a_known_secret(tmp_path):
    secrets.remember({"HF_TOKEN": "hf_SECRET"})
    data = {"log": ["told hf_SECRET here"], "deep": {"x": {"y": "hf_SECRET"}}, "figure": 1.5}
    written = results.write(tmp_path / "quality.json", "quality", data, {}, {"environment": {"A": "hf_SECRET"}})
    assert "hf_SECRET" not in (tmp_path / "quality.json").read_text()
    assert not results.is_edited(results.read(tmp_path / "quality.json", "quality", dict))
    assert written.data["figure"] == 1.5


@given(
    st.recursive(st.text() | st.integers() | st.booleans(), lambda one: st.lists(one) | st.dictionaries(st.text(), one))
)
def test_a_value_without_secrets_stays_as_it_is(value):
    assert secrets.scrubbed(value) == value


ANY = st.text(st.characters(codec=None, exclude_categories=[]), max_size=60)


@given(ANY)
def test_any_text_is_written_and_read_back(text):
    import tempfile
    from pathlib import Path

    # Two halves of a pair side by side are one character in JSON.
    expected = json.loads(json.dumps(text))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.json")
        results.write_json(path, {"answer": text, text: 1})
        assert results.read_json(path) == {"answer": expected, expected: 1}
        results.write(path, "quality", {"output": text}, {}, {})
        found = results.read(path, "quality", dict)
        assert found.data == {"output": expected} and not results.is_edited(found)


def test_the_run_book_and_the_parameters_of_a_results_file_hold_no_secret(tmp_path):
    from evalpress import params
    from evalpress.params.public import without_secrets
    from evalpress.sections.registry import by_name, parameters_read
    from evalpress.sections.setup import run_book

    (tmp_path / "mine.yaml").write_text(
        "title: t\nmodel: {path: models/demo}\nplatform: {backend: cpu}\n"
        "engine: {env: {HF_TOKEN: hf, MY_PASSWORD: ab}, extra: {hf_token: xy}, variants: {v: {extra: {api_key: vw}}}}\n"
        'serving: {base_url: "http://bench:pw@127.0.0.1:18533"}\n'
    )
    loaded = params.load(str(tmp_path / "mine.yaml"))
    assert (loaded.engine.env["HF_TOKEN"], loaded.serving.base_url) == ("hf", "http://bench:pw@127.0.0.1:18533")
    book = run_book.build(without_secrets(loaded)).model_dump_json()
    read = json.dumps([parameters_read(by_name(name), loaded) for name in ("setup", "serving", "benchmark")])
    for text in (book, read):
        assert "bench:pw@" not in text and "HF_TOKEN" in text
        for secret in ('"hf"', '"ab"', '"xy"', '"vw"', "=hf ", "=ab ", "'hf'", "'ab'", "'xy'"):
            assert secret not in text
