"""Served figures of several reports of one set on one machine: the share of pairs of reports whose intervals overlap.

    for n in 1 2 3 4 5; do python -m evalpress report --set demo --reports-dir reports/again/$n; done
    python benchmarks/repeatability.py --set demo reports/again/*

Counted are all intervals of every load point: of means over repeats, of percentiles, of the SLO attainment; a bound
that few requests leave open is open here, too. An open loop's rate is a share of the saturation that its own report
found, so it differs a little between reports. Two 95 % intervals of the same quantity overlap in more than 95 of 100
pairs (99.4 for intervals of equal width and a normal distribution): a smaller share says that the machine changes more
between reports than within one.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import evalpress
from evalpress.sections.serving.points import Level, Point, Rate

Bounds = tuple[float, float]


def bounds(low: float | None, high: float | None) -> Bounds:
    """Both ends; one that is not known is open."""
    return (-math.inf if low is None else low, math.inf if high is None else high)


def intervals(point: Point) -> Iterator[tuple[str, Bounds]]:
    """Every interval of a load point, by the name of its figure."""
    for name, one in ((point.intervals or {}) | point.percentile_intervals).items():
        if name != "slo_attainment":  # older results have two intervals of it
            yield name, bounds(one.low, one.high)
    if point.slo_attainment_low is not None:
        yield "slo_attainment", bounds(point.slo_attainment_low, point.slo_attainment_high)


def name_of(point: Level | Rate) -> str:
    """The load of a point."""
    return point.load_words if isinstance(point, Level) else f"{point.share_of_saturation:.0%} of the saturation"


def main() -> None:
    """Print the share by figure, and of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="demo")
    parser.add_argument("reports", type=Path, nargs="+", help="folders of reports (--reports-dir)")
    asked = parser.parse_args()
    found: dict[tuple[str, str], list[Bounds]] = defaultdict(list)
    for folder in asked.reports:
        serving = evalpress.load(asked.set, folder).serving
        for point in (*serving.levels, *serving.rates):
            for name, interval in intervals(point):
                found[f"{point.mode}, {name_of(point)}", name].append(interval)
    shares: dict[str, list[bool]] = defaultdict(list)
    for (point_, name), all_ in sorted(found.items()):
        pairs = [max(a[0], b[0]) <= min(a[1], b[1]) for a, b in itertools.combinations(all_, 2)]
        shares[name] += pairs
        if not all(pairs):
            print(f"{point_:<40} {name:<24} {sum(pairs)} of {len(pairs)} pairs overlap")
    print()
    for name, pairs in shares.items():
        print(f"{name:<24} {sum(pairs):4} of {len(pairs):4} pairs overlap, {sum(pairs) / len(pairs):.1%}")
    every = [pair for pairs in shares.values() for pair in pairs]
    print(f"{'all':<24} {sum(every):4} of {len(every):4} pairs overlap, {sum(every) / len(every):.1%}")


if __name__ == "__main__":
    main()
