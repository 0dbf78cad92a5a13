#!/usr/bin/env python3
"""Golden values of the analyses from NumPy and SciPy, for `src/analysis/`.

    python3 -m venv venv && venv/bin/pip install numpy scipy && venv/bin/python tests/golden/make.py

Writes correlation.json beside this file: three scores of one model with ties, a constant score, a score with a
constant run, missing values (null) that differ between scores, and all that SciPy says of their rank correlations.
"""
import json, pathlib
import numpy as np
from scipy import stats

RUNS, EXAMPLES = 5, 40


def rho(a, b):
    """Spearman's over the examples that both have; NaN for a constant or fewer than two of them."""
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return stats.spearmanr(a, b).statistic


def average(values):
    """Mean over those that exist."""
    values = [v for v in values if not np.isnan(v)]
    return np.mean(values) if values else np.nan


def mean(x):
    return np.array([average(column) for column in x.astype(np.float64).T])


def plain(x):
    return [plain(v) for v in x] if np.ndim(x) else None if np.isnan(x) else float(x)


def scores(rng):
    latent = rng.gamma(1.5, 1.0, EXAMPLES)
    noisy = lambda scale: latent + rng.normal(0, scale, (RUNS, EXAMPLES))
    ties = np.round(noisy(0.8))
    holes = -noisy(0.5); holes[:, 33:] = np.nan
    ragged = noisy(1.0); ragged[rng.random((RUNS, EXAMPLES)) < 0.2] = np.nan; ragged[:, 3] = np.nan
    flat_run = noisy(0.6); flat_run[2] = 1.5
    constant = np.full((RUNS, EXAMPLES), 2.0)
    named = {"smooth": noisy(0.3), "ties": ties, "holes": holes, "ragged": ragged, "flat_run": flat_run, "constant": constant}
    return {name: x.astype(np.float32) for name, x in named.items()}


def matrix(names, of):
    return plain(np.array([[of(a, b) for b in names] for a in names]))


def interval(r, n, level=0.95):
    """Fisher's z with the standard error of Bonett and Wright (2000) for Spearman's rho."""
    half = stats.norm.ppf(0.5 + level / 2) * np.sqrt((1 + r * r / 2) / (n - 3))
    return np.tanh([np.arctanh(r) - half, np.arctanh(r) + half])


def main():
    x = scores(np.random.default_rng(7))
    names = list(x)
    runs = range(RUNS)
    without = lambda s, r: mean(np.delete(x[s], r, axis=0))
    golden = {
        "scores": names,
        "harder": ["low" if name == "holes" else "high" for name in names],
        "values": {name: plain(x[name]) for name in names},
        "ranks": {name: plain(stats.rankdata(x[name][0], nan_policy="omit")) for name in names},
        "mean_mean": matrix(names, lambda a, b: rho(mean(x[a]), mean(x[b]))),
        "mean_run": matrix(names, lambda a, b: average([rho(mean(x[a]), x[b][r]) for r in runs])),
        "same_run": matrix(names, lambda a, b: average([rho(x[a][r], x[b][r]) for r in runs])),
        "leave_one_out": matrix(names, lambda a, b: average([rho(without(a, r), x[b][r]) for r in runs])),
        "interval": [{"rho": r, "n": n, "bounds": plain(interval(r, n))} for r, n in [(0.6, 40), (-0.9, 1000), (0.0, 4)]],
        "summary": {name: plain([average(mean(x[name])), np.nanstd(mean(x[name]))]) for name in names},
    }
    text = json.dumps(golden, allow_nan=False, separators=(",", ":"))
    pathlib.Path(__file__).with_name("correlation.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
