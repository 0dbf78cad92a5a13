#!/usr/bin/env python3
"""Same numbers as NumPy, SciPy and scikit-learn, and how much faster? Needs numpy, scipy, scikit-learn.

    benches/against_scipy.py [--examples 50000] [--runs 40] [--scores 8] [--profile bench]

Makes scores, times what a user would otherwise write for correlation, stability, components and bias, then
`cargo bench --bench analyses` on the same arrays, and prints the times, their ratio and the largest deviations.
"""
import argparse, json, pathlib, re, subprocess, sys, tempfile, time
import numpy as np
from scipy import stats
from sklearn.decomposition import PCA


def draw(rng, scores, runs, n, shifted):
    """[scores, runs, examples]; where `shifted`, a tenth of the examples are harder."""
    fixed = np.random.default_rng(1)
    latent = fixed.gamma(1.5, 1.0, n)
    effect = np.where(fixed.random(n) < 0.1, 0.3, 0.0) * shifted
    out = np.empty((scores, runs, n), np.float32)
    for s in range(scores):
        own = fixed.normal(0, 0.35, n)
        for r in range(runs):
            out[s, r] = np.log1p(latent) + own + effect + rng.normal(0, 1, n) * (0.15 + 0.1 * latent)
    return out


def pearson(a, b):
    a = a - a.mean(1, keepdims=True); b = b - b.mean(1, keepdims=True)
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def correlation(x):
    s, r, n = x.shape
    mean, run = stats.rankdata(x.mean(1, dtype=np.float64), axis=1), stats.rankdata(x.reshape(s * r, n), axis=1)
    return {"mean_mean": pearson(mean, mean), "mean_run": pearson(mean, run).reshape(s, s, r).mean(2),
            "same_run": np.einsum("irjr->ij", pearson(run, run).reshape(s, r, s, r)) / r}


def stability(x, rng):
    s, r, n = x.shape
    out = np.zeros((s, r // 2, 3))
    for k in range(1, r // 2 + 1):
        for _ in range(10):
            order = rng.permutation(r)
            a, b = x[:, order[:k]].mean(1), x[:, order[k:2 * k]].mean(1)
            change = np.abs(stats.rankdata(a, axis=1) - stats.rankdata(b, axis=1)) / n
            side = (a > np.median(a, 1, keepdims=True)) != (b > np.median(b, 1, keepdims=True))
            out[:, k - 1] += np.stack([np.median(change, 1), np.percentile(change, 95, axis=1), side.mean(1)], 1) / 10
    return out


def components(x):
    m = x.mean(1, dtype=np.float64)
    q = stats.norm.ppf((stats.rankdata(m, axis=1) - 0.5) / m.shape[1])
    return PCA().fit(q.T).explained_variance_ratio_


def bias(a, b):
    p = stats.ttest_ind(a.astype(np.float64), b.astype(np.float64), axis=1, equal_var=False).pvalue
    with np.errstate(divide="ignore"):
        return -np.log(p)


def worst(ours, theirs):
    return float(np.max(np.abs(np.asarray(ours, dtype=np.float64) / theirs - 1)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--examples", type=int, default=50000); p.add_argument("--runs", type=int, default=40)
    p.add_argument("--scores", type=int, default=8); p.add_argument("--profile", default="bench")
    o = p.parse_args()
    rng = np.random.default_rng(0)
    a, b = draw(rng, o.scores, o.runs, o.examples, False), draw(rng, o.scores, o.runs // 2, o.examples, True)
    jobs = {"correlation": lambda: correlation(a), "stability": lambda: stability(a, rng),
            "components": lambda: components(a), "bias": lambda: bias(a, b)}
    theirs, seconds = {}, {}
    for name, job in jobs.items():
        start = time.perf_counter(); theirs[name] = job(); seconds[name] = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        np.save(folder / "scores_a.npy", a); np.save(folder / "scores_b.npy", b)
        root = pathlib.Path(__file__).resolve().parent.parent
        run = subprocess.run(["cargo", "bench", "--locked", "--profile", o.profile, "--bench", "analyses", "--", str(folder)], cwd=root, stdout=subprocess.PIPE, text=True)
        if run.returncode:
            sys.exit("cargo bench fails")
        ours = json.loads((folder / "ours.json").read_text())
    took = {name: float(s) for name, s in re.findall(r"^(\w+) +([\d.]+) s$", run.stdout, re.M)}
    for name in jobs:
        print(f"{name:12} SciPy {seconds[name]:7.2f} s, ours {took[name]:6.2f} s, {seconds[name] / took[name]:6.1f} times as fast")
    total = sum(took[name] for name in jobs)
    print(f"{'together':12} SciPy {sum(seconds.values()):7.2f} s, ours {total:6.2f} s, {sum(seconds.values()) / total:6.1f} times as fast")
    c, tests = ours["correlation"][0], np.array(ours["bias"][0]["neg_ln_p"], dtype=np.float64)
    known = np.isfinite(theirs["bias"]) & (theirs["bias"] < 690)
    deviations = {key: worst(c[key], theirs["correlation"][key]) for key in ("mean_mean", "mean_run", "same_run")}
    deviations["-ln p"] = worst(tests[known], theirs["bias"][known])
    deviations["explained"] = worst(ours["components"][0]["explained"], theirs["components"])
    deviations["stability (other draws)"] = worst([s["median"] for s in ours["stability"]], theirs["stability"][:, :, 0])
    print("largest relative deviations: " + ", ".join(f"{k} {v:.1e}" for k, v in deviations.items()))
    print(run.stdout.split("\n", 1)[1].strip())


main()
