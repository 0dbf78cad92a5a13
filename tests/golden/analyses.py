#!/usr/bin/env python3
"""Golden values of stability, components, bias and fingerprint from NumPy, SciPy, scikit-learn and mpmath.

    python3 -m venv venv && venv/bin/pip install numpy scipy scikit-learn mpmath && venv/bin/python tests/golden/analyses.py

Writes analyses.json beside this file. Two models with 8 and 5 runs of the same scores: one smooth, one with many ties,
one where small is hard, one with missing values, one the same for every run of some examples.
"""
import json, pathlib
import mpmath
import numpy as np
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

EXAMPLES = 60
NAMES = ["smooth", "ties", "low", "holes", "steady"]


def plain(x):
    return [plain(v) for v in x] if np.ndim(x) else float(x) if np.isfinite(x) else None


def scores(rng, latent, runs, shift):
    noisy = lambda scale: latent + shift + rng.normal(0, scale, (runs, EXAMPLES))
    holes = noisy(0.6); holes[rng.random((runs, EXAMPLES)) < 0.25] = np.nan; holes[:, 7] = np.nan
    steady = noisy(0.4); steady[:, :6] = np.round(steady[0, :6]); steady[:, 6] = 1.0; steady[:, 8] = 2.0 + (shift[8] > 0)
    named = [noisy(0.3), np.round(noisy(0.8)), -noisy(0.5), holes, steady]
    return {name: x.astype(np.float32) for name, x in zip(NAMES, named)}


def harder(name, x):
    return -x.astype(np.float64) if name == "low" else x.astype(np.float64)


def means(x):
    with np.errstate(invalid="ignore"):
        return np.nansum(x, axis=0) / (~np.isnan(x)).sum(axis=0)


def change(x, first, second, percent):
    a, b = means(x[first]), means(x[second])
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    moved = np.abs(stats.rankdata(a) - stats.rankdata(b)) / len(a)
    side = lambda v: v > np.percentile(v, percent)
    above = (side(a).mean() + side(b).mean()) / 2
    return [len(a), np.median(moved), np.percentile(moved, 95), (side(a) != side(b)).mean(), above]


def stability(x, rng):
    cases = []
    for n in (1, 2, 4):
        order = rng.permutation(8)
        first, second = order[:n], order[n:2 * n]
        for percent in (50, 90, 12.5):
            values = {name: plain(change(harder(name, x[name]), first, second, percent)) for name in NAMES}
            cases.append({"first": first.tolist(), "second": second.tolist(), "percent": percent, "values": values})
    return cases


def components(x):
    m = np.array([means(harder(name, x[name])) for name in NAMES])
    kept = ~np.isnan(m).any(axis=0)
    q = np.array([stats.norm.ppf((stats.rankdata(row[kept]) - 0.5) / kept.sum()) for row in m])
    pca = PCA().fit(q.T)
    return {"examples": int(kept.sum()), "explained": plain(pca.explained_variance_ratio_), "coefficients": plain(pca.components_)}


def neg_ln_p(t, nu):
    """-ln of the two-sided p of Student's t, from the regularised incomplete beta function at 60 digits."""
    mpmath.mp.dps = 60
    t, nu = mpmath.mpf(t), mpmath.mpf(nu)
    return float(-mpmath.log(mpmath.betainc(nu / 2, mpmath.mpf(1) / 2, 0, nu / (nu + t * t), regularized=True)))


def bias(a, b):
    def welch(name):
        with np.errstate(all="ignore"):
            r = stats.ttest_ind(a[name].astype(np.float64), b[name].astype(np.float64), axis=0, equal_var=False, nan_policy="omit")
        return plain(-np.log(np.asarray(r.pvalue, dtype=np.float64)))
    tail = [(t, nu) for nu in (1.0, 2.5, 7.0, 38.7, 78.0, 500.0) for t in (1e-9, 1e-3, 0.5, 2.0, 9.0, 60.0, 2000.0, 1e8)]
    p = np.array([1e-9, 0.0004, 0.011, 0.012, 0.03, 0.2, 0.004, 0.9, 0.0019, 0.5])
    return {
        "neg_ln_p": {name: welch(name) for name in NAMES},
        "student": [[t, nu, neg_ln_p(t, nu)] for t, nu in tail],
        "adjust": {"neg_ln_p": plain(-np.log(p)), "adjusted": plain(stats.false_discovery_control(p))},
    }


def permutation(rng):
    difference = lambda x, y, axis: np.abs(x.mean(axis=axis) - y.mean(axis=axis))
    cases = []
    for m, n in ((3, 4), (2, 2), (4, 4), (2, 6)):
        a, b = np.round(rng.normal(0.8, 1, m), 1), np.round(rng.normal(0, 1, n), 1)
        p = stats.permutation_test((a, b), difference, alternative="greater", n_resamples=np.inf, vectorized=True).pvalue
        cases.append({"a": plain(a), "b": plain(b), "p": float(p)})
    return cases


def logistic(rng):
    x = rng.normal(0, 1, (40, 3)).astype(np.float32).astype(np.float64)
    y = (x[:, 0] - 0.5 * x[:, 1] + rng.logistic(0, 1, 40) > 0).astype(int)
    fit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000).fit(x, y)
    return {"x": plain(x), "y": y.tolist(), "coefficients": plain(fit.coef_[0]), "intercept": float(fit.intercept_[0])}


def detection(rng):
    score = np.round(rng.normal(0, 1, 80), 1)
    truth = rng.random(80) < 1 / (1 + np.exp(2 - 2 * score))
    return {"score": plain(score), "truth": truth.astype(int).tolist(), "auroc": float(roc_auc_score(truth, score)),
            "average_precision": float(average_precision_score(truth, score))}


def main():
    rng = np.random.default_rng(11)
    latent = rng.gamma(1.5, 1.0, EXAMPLES)
    shift = np.where(rng.random(EXAMPLES) < 0.2, 1.0, 0.0); shift[[6, 7]] = 0; shift[8] = 1
    a, b = scores(rng, latent, 8, 0 * shift), scores(rng, latent, 5, shift)
    golden = {
        "scores": NAMES, "a": {k: plain(v) for k, v in a.items()}, "b": {k: plain(v) for k, v in b.items()},
        "stability": stability(a, rng), "components": components(a), "bias": bias(a, b),
        "permutation": permutation(rng), "logistic": logistic(rng), "detection": detection(rng),
    }
    text = json.dumps(golden, allow_nan=False, separators=(",", ":"))
    pathlib.Path(__file__).with_name("analyses.json").write_text(text + "\n")


main()
