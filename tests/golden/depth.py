#!/usr/bin/env python3
"""Golden values of the analysis of depth, from NumPy and SciPy, by loops over examples and runs.

    python3 -m venv venv && venv/bin/pip install numpy scipy && venv/bin/python tests/golden/depth.py

Writes depth.json beside this file. Two models on the same 130 training and 20 test examples of 3 classes, 24 of them with a
changed label: `held` has 5 runs that each hold out 40 %, `all` has 3 runs trained on everything. Six probes, so L = 5.
"""
import json, pathlib
import numpy as np
from scipy import stats

N, T, C, L = 130, 20, 3, 5
CORNERS = [(0, 0), (0, 1), (1, 0), (1, 1)]
NEAREST, BINS, VOTES = 100, 10, 3


def plain(x):
    if isinstance(x, dict): return {k: plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)): return [plain(v) for v in x]
    if isinstance(x, np.ndarray) and x.ndim: return [plain(v) for v in x]
    if x is None or isinstance(x, (str, bool)): return x
    if isinstance(x, np.bool_): return bool(x)
    if isinstance(x, (int, np.integer)): return int(x)
    return float(x) if np.isfinite(x) else None


def made(rng, runs, holdout, truth, labels, latent):
    """What the runs of one model left, over all examples: those for training first."""
    roles = np.zeros((runs, N + T), int); roles[:, N:] = 2
    for r in range(runs if holdout else 0):
        roles[r, rng.choice(N, int(holdout * N), replace=False)] = 1
    given = np.concatenate([labels, truth[N:]])
    hard = latent + rng.normal(0, 0.25, (runs, N + T)) + 0.4 * (roles == 1)
    # Trained on: nearly always the given label. Else: often the truth.
    right = np.where(roles == 0, rng.random((runs, N + T)) < 0.95, rng.random((runs, N + T)) > 0.5 * latent)
    target = np.where(roles == 0, given, truth)
    predicted = np.where(right, target, rng.integers(0, C, (runs, N + T)))
    depth = np.clip(np.round(hard * L), 0, L).astype(np.float64)
    depth[rng.random(depth.shape) < 0.02] = np.nan
    probes = rng.integers(0, C, (runs, L + 1, N + T))
    for l in range(L + 1):
        probes[:, l] = np.where(l >= np.nan_to_num(depth, nan=L), predicted, probes[:, l])
    votes = np.zeros((runs, L + 1, N + T, C), int)
    for index in np.ndindex(runs, L + 1, N + T):
        won = rng.integers(3, 8)
        votes[index] = rng.multinomial(7 - won, np.ones(C) / C)
        votes[index][probes[index]] += won
    course = rng.integers(0, C, (runs, 3, N + T))
    for e in range(3):
        course[:, e] = np.where(rng.random((runs, N + T)) < (e + 1) / 3, predicted, course[:, e])
    margin = np.exp(2 - 3 * hard + rng.normal(0, 0.5, hard.shape))
    margin[:, 3] = 0
    inner = margin * np.exp(rng.normal(0, 1, hard.shape)); inner[0, 5] = np.nan
    learned = np.round(hard * 9 + rng.normal(0, 1, hard.shape))
    f32 = lambda x: x.astype(np.float32).astype(np.float64)
    return dict(roles=roles, depth=depth, predicted=predicted, probes=probes, votes=votes, course=course,
                test_accuracy=f32((course[:, :, N:] == truth[N:]).mean(axis=2)),
                output_margin=f32(margin), input_margin=f32(inner), learned=f32(learned))


def side(m, role):
    """The columns of a role, NaN where an example has another one."""
    part = slice(N, None) if role == 2 else slice(0, N)
    here = m["roles"][:, part] == role
    return part, here, {k: np.where(here, m[k][:, part], np.nan) for k in ("depth", "output_margin", "input_margin", "learned")}


def mean(x, axis=0):
    count = (~np.isnan(x)).sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, np.nansum(x, axis=axis) / count, np.nan)


def spearman(a, b):
    both = ~(np.isnan(a) | np.isnan(b))
    return stats.spearmanr(a[both], b[both])[0] if both.sum() > 1 else np.nan


def consensus(votes, label):
    most = votes.max()
    return label if votes[label] == most else int(np.argmax(votes))


def together(m, role, labels):
    part, here, x = side(m, role)
    pred, runs = m["predicted"][:, part], len(m["roles"])
    given = labels[part]
    out = {k: np.full(here.shape[1], np.nan) for k in ("consistency", "others", "entropy")}
    winner = np.full(here.shape[1], -1)
    pairs, asked, few = [], 0, 0
    for i in range(here.shape[1]):
        seen = [r for r in range(runs) if here[r, i]]
        if seen:
            votes = np.bincount([pred[r, i] for r in seen], minlength=C)
            out["consistency"][i] = votes[given[i]] / len(seen); winner[i] = consensus(votes, given[i])
        others, entropies = [], []
        for r in seen:
            if np.isnan(x["depth"][r, i]): continue
            rest = [pred[s, i] for s in seen if s != r]
            share = entropy = np.nan
            asked += role != 0; few += role != 0 and len(rest) < VOTES
            if len(rest) >= VOTES and role != 0:
                votes = np.bincount(rest, minlength=C)
                share = votes[consensus(votes, given[i])] / len(rest)
                p = votes[votes > 0] / len(rest); entropy = -(p * np.log(p)).sum()
                others.append(share); entropies.append(entropy)
            pairs.append((int(x["depth"][r, i]), pred[r, i] == given[i], share, entropy, x["learned"][r, i]))
        if others: out["others"][i], out["entropy"][i] = np.round([np.mean(others), np.mean(entropies)], 12)
    by_depth = []
    for d in range(L + 1):
        at = [p for p in pairs if p[0] == d]
        if not at: continue
        of = lambda k: mean(np.array([float(p[k]) for p in at]))
        by_depth.append(dict(depth=d, pairs=len(at), share=len(at) / len(pairs), accuracy=of(1), consensus_consistency=of(2),
                             entropy=of(3), iteration_learned=of(4)))
    out["counts"] = dict(pairs=asked, few_votes=few, votes_needed=VOTES)
    return mean(x["depth"]), out, winner, given, by_depth


def slope_of(depth, gap):
    use = (depth > 0) & ~np.isnan(gap)
    return np.percentile(gap[use] / depth[use], 99)


def relation(depth, value, gap, slope=None):
    both = ~(np.isnan(depth) | np.isnan(value))
    slope = slope_of(depth, gap) if slope is None else slope
    return dict(examples=both.sum(), left_out=(~np.isnan(depth)).sum() - both.sum(), slope=slope,
                beyond=(gap[both] > slope * depth[both] + 1e-9).mean(), spearman=spearman(depth, value))


def roles_of(m):
    return [r for r in range(3) if (m["roles"] == r).any()]


def agreement(models, role):
    have = [m if role in roles_of(m) else None for m in models]
    single = lambda m, r: side(m, role)[2]["depth"][r]
    means, singles, counts = (np.full((len(models),) * 2, np.nan) for _ in range(3))
    for i, a in enumerate(have):
        for j, b in enumerate(have):
            if a is None or b is None: counts[i, j] = 0; continue
            da, db = side(a, role)[2]["depth"], side(b, role)[2]["depth"]
            means[i, j] = spearman(mean(da[0::2]), mean(da[1::2])) if i == j else spearman(mean(da), mean(db))
            rhos = [spearman(da[r], db[s]) for r in range(len(da)) for s in range(len(db)) if (i != j or r < s)
                    and (~np.isnan(da[r]) & ~np.isnan(db[s])).sum() >= 10]
            singles[i, j], counts[i, j] = np.mean(rhos), len(rhos)
    return dict(means=means, single_runs=singles, pairs=counts)


def splits(m, truth, labels, predicted, run, noisy):
    """Accuracy of predictions [examples] per split in one run."""
    role = m["roles"][run]; given = labels; changed = given != truth
    masks = ([((role == 0) & ~changed, given), ((role == 0) & changed, given), ((role == 0) & changed, truth), (role == 2, given)]
             if noisy else [(role == 0, given), (role == 1, given), (role == 2, given)])
    return [(predicted[mask] == by[mask]).mean() if mask.any() else np.nan for mask, by in masks]


def learning(m, truth, labels, noisy):
    given = labels if noisy else truth
    runs = range(len(m["roles"]))
    layer = [[splits(m, truth, given, m["probes"][r, l], r, noisy) for l in range(L + 1)] for r in runs]
    epoch = [[splits(m, truth, given, m["course"][r, e], r, noisy) for e in range(3)] for r in runs]
    return dict(layers=mean(np.array(layer)).T, course=mean(np.array(epoch)).T)


def corners(m, labels):
    val, out, winner, given, _ = together(m, 1, labels)
    train = mean(side(m, 0)[2]["depth"])
    found = []
    for x, y in CORNERS:
        far = (val / L - x) ** 2 + (train / L - y) ** 2
        order = [i for i in np.argsort(far, kind="stable") if not np.isnan(far[i])][:NEAREST]
        sums = {k: [] for k in ("truth_votes", "truth_accuracy", "consensus_votes", "consensus_accuracy", "network")}
        for i in order:
            runs = [r for r in range(len(m["roles"])) if m["roles"][r, i] == 1]
            for name, k in (("truth", given[i]), ("consensus", winner[i])):
                v = np.array([m["votes"][r, :, i, k] / m["votes"][r, :, i].sum(axis=1) for r in runs])
                a = np.array([m["probes"][r, :, i] == k for r in runs])
                sums[name + "_votes"].append(v.mean(axis=0)); sums[name + "_accuracy"].append(a.mean(axis=0))
            sums["network"].append(np.mean([m["predicted"][r, i] == given[i] for r in runs]))
        found.append(dict(examples=order, val_depth=val[order].mean(), train_depth=train[order].mean(),
                          consensus_is_truth=(winner[order] == given[order]).mean(),
                          consensus_consistency=np.nanmean(out["others"][order]),
                          network_accuracy=np.mean(sums.pop("network")), **{k: np.mean(v, axis=0) for k, v in sums.items()}))
    grid = np.zeros((BINS, BINS), int)
    for v, t in zip(val, train):
        if not np.isnan(v + t): grid[min(int(t / L * BINS), BINS - 1), min(int(v / L * BINS), BINS - 1)] += 1
    return found, grid


def expected(m, truth, labels, name):
    out = dict(roles=[], by_depth=[], consistency=[], consensus_consistency=[], entropy=[], iteration_learned=[], margins=[])
    for role in roles_of(m):
        rn = ["train", "val", "test"][role]
        part, here, x = side(m, role)
        depth, t, winner, given, by_depth = together(m, role, labels)
        d = depth[~np.isnan(depth)]
        out["roles"].append(dict(role=rn, examples=len(d), pairs=here.sum(), undefined=(here & np.isnan(x["depth"])).sum(),
            mean=d.mean(), sd=d.std(), mean_scaled=d.mean() / L, largest_mean=d.max(),
            accuracy=(m["predicted"][:, part] == given)[here].mean(),
            histogram=[(x["depth"] == k).sum() for k in range(L + 1)]))
        out["by_depth"] += [dict(role=rn, **row) for row in by_depth]
        learned = mean(x["learned"])
        both = ~(np.isnan(depth) | np.isnan(learned))
        out["iteration_learned"].append(dict(role=rn, examples=both.sum(), spearman=spearman(depth, learned)))
        if role != 0:
            c = t["consistency"]; same = winner == given
            a = relation(np.where(same, depth, np.nan), c, 1 - c)
            b = relation(np.where(~same & (winner >= 0), depth, np.nan), c, c, a["slope"])
            keep = lambda r: {k: r[k] for k in ("examples", "beyond", "spearman")}
            out["consistency"].append(dict(role=rn, slope=a["slope"], matches=keep(a), differs=keep(b)))
            if np.isnan(t["others"]).all(): continue
            out["consensus_consistency"].append(dict(role=rn, **relation(depth, t["others"], 1 - t["others"]), **t["counts"]))
            out["entropy"].append(dict(role=rn, **relation(depth, t["entropy"], t["entropy"]), **t["counts"]))
    for role in (2, 0):
        for margin in ("output_margin", "input_margin"):
            part, here, x = side(m, role)
            depth, value = mean(x["depth"]), mean(x[margin])
            with np.errstate(divide="ignore"):
                ln = np.where(value > 0, np.log(value), np.nan)
            both = ~(np.isnan(depth) | np.isnan(ln))
            out["margins"].append(dict(margin=margin, role=["train", "val", "test"][role], examples=both.sum(),
                left_out=(~np.isnan(depth)).sum() - both.sum(), mean=np.nanmean(value),
                pearson=stats.pearsonr(depth[both], ln[both])[0], trained_on_everything=name == "all"))
    for key in ("consensus_consistency", "entropy"): out[key] = out[key] or None
    out["noisy"] = learning(m, truth, labels, True)
    out["clean"] = learning(m, truth, labels, False)
    if 1 in roles_of(m):
        out["corners"], out["grid"] = corners(m, labels)
    return out


def main():
    rng = np.random.default_rng(20210617)
    truth = rng.integers(0, C, N + T)
    labels = truth[:N].copy()
    changed = rng.choice(N, 24, replace=False)
    labels[changed] = (labels[changed] + rng.integers(1, C, 24)) % C
    latent = np.concatenate([np.clip(rng.beta(1.5, 2, N) + 0.3 * (labels != truth[:N]), 0, 1), rng.beta(1.5, 2, T)])
    models = dict(held=made(rng, 5, 0.4, truth, labels, latent), all=made(rng, 3, 0, truth, labels, latent))
    given = np.concatenate([labels, truth[N:]])
    document = dict(
        train=N, test=T, classes=C, last=L, truth=truth, labels=given, models=models,
        expected={name: expected(m, truth, given, name) for name, m in models.items()},
        agreement={role: agreement(list(models.values()), k) for k, role in enumerate(["train", "val", "test"])})
    path = pathlib.Path(__file__).with_name("depth.json")
    path.write_text(json.dumps(plain(document), separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")


main()
