"""Which matrix products are measured."""

from __future__ import annotations

from evalpress.platforms import rates


def kinds(found: list[rates.Product]) -> set[tuple[int, str]]:
    return {(product.size, product.form) for product in found}


def test_every_form_and_size_is_measured_or_only_those_asked_for():
    forms = ("a @ b in float32", "linear in float32")
    assert kinds(rates.matrix_rates("cpu", ["float32"], [32, 16])) == {(n, form) for n in (16, 32) for form in forms}
    only = frozenset({(32, "linear in float32"), (64, "a @ b in float32")})
    assert kinds(rates.matrix_rates("cpu", ["float32", "float64"], [16, 32], only=only)) == {(32, "linear in float32")}


def test_a_size_that_would_take_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(rates, "times", lambda work, device: [work() or 1.0])
    monkeypatch.setattr(rates, "ENOUGH_S", 8.1)  # twice the size: eight times the work, eight seconds
    monkeypatch.setattr("torch.nn.functional.linear", lambda a, b: None)
    monkeypatch.setattr("torch.matmul", lambda a, b: None)
    assert {size for size, _ in kinds(rates.matrix_rates("cpu", ["float32"], [16, 32, 64]))} == {16, 32, 64}
    assert {size for size, _ in kinds(rates.matrix_rates("cpu", ["float32"], [16, 48]))} == {16}
