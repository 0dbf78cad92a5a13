#!/usr/bin/env python3
"""Golden values of the audit and of VoG's analysis from NumPy, SciPy and scikit-learn.

    python3 -m venv venv && venv/bin/pip install numpy scipy scikit-learn && venv/bin/python tests/golden/audit.py

Writes audit.json beside this file: detection with many ties, weighted as a bootstrap draw weighs; a study of three runs whose error
depends on the score, with classes and changed labels.
"""
import json, pathlib
import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve


def plain(x):
    return [plain(v) for v in x] if np.ndim(x) else float(x) if np.isfinite(x) else None


def detection(rng, ties):
    score = np.round(rng.normal(0, 1, 300), ties)
    truth = rng.random(300) < 1 / (1 + np.exp(2 - 1.5 * score))
    times = rng.multinomial(300, np.full(300, 1 / 300))
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(truth, score)
    return {
        "score": plain(score), "truth": truth.astype(int).tolist(), "times": times.tolist(),
        "auroc": float(roc_auc_score(truth, score)), "average_precision": float(average_precision_score(truth, score)),
        "auroc_weighted": float(roc_auc_score(truth, score, sample_weight=times)),
        "average_precision_weighted": float(average_precision_score(truth, score, sample_weight=times)),
        "roc": [plain(false), plain(true)], "precision_recall": [plain(precision), plain(recall)],
    }


def vog(rng):
    runs, examples, classes = 3, 400, 8
    labels = rng.integers(0, classes, examples)
    difficulty = rng.normal(0, 1, examples) + 0.3 * labels
    values = (difficulty + rng.normal(0, 0.5, (runs, examples))).astype(np.float32)
    wrong = rng.random((runs, examples)) < 1 / (1 + np.exp(2 - difficulty))
    predicted = np.where(wrong, (labels + 1) % classes, labels)
    true_labels = np.where((rng.random(examples) < 0.2 + 0.1 * (difficulty > 0)), (labels + 3) % classes, labels)
    # Values are all different, so a tenth is a cut of the order.
    order = np.argsort(values, axis=1)
    deciles = [[float(wrong[r][part].mean()) for part in np.array_split(order[r], 10)] for r in range(runs)]
    mean = values.astype(np.float64).mean(axis=0)
    class_mean = [float(mean[labels == c].mean()) for c in range(classes)]
    missed = [float(wrong[:, labels == c].mean()) for c in range(classes)]
    pearson, changed = stats.pearsonr(class_mean, missed), labels != true_labels
    welch = stats.ttest_ind(mean[changed], mean[~changed], equal_var=False)
    pairs = [stats.spearmanr(values[a], values[b]).statistic for a in range(runs) for b in range(a + 1, runs)]
    spread = values.astype(np.float64).std(axis=0, ddof=1).mean() / mean.std(ddof=1)
    return {
        "values": plain(values), "labels": labels.tolist(), "true_labels": true_labels.tolist(), "predicted": predicted.tolist(),
        "deciles": deciles, "class_mean": class_mean, "false_negatives": missed,
        "pearson": float(pearson.statistic), "p": float(pearson.pvalue), "class_spearman": float(stats.spearmanr(class_mean, missed).statistic),
        "t": float(welch.statistic), "freedom": float(welch.df), "neg_ln_p": float(-np.log(welch.pvalue)),
        "spearman": plain(pairs), "sd_ratio": float(spread),
    }


def main():
    rng = np.random.default_rng(5)
    golden = {"detection": [detection(rng, ties) for ties in (0, 1, 6)], "vog": vog(rng)}
    text = json.dumps(golden, allow_nan=False, separators=(",", ":"))
    pathlib.Path(__file__).with_name("audit.json").write_text(text + "\n")


main()
