#!/usr/bin/env python3
"""diffscope beside PyTorch: examples per second for the same work on as many threads, pair by pair, and each ratio's spread.

    cargo build --release && python3 benches/against_torch.py PEER [--pairs 3] [--program target/release/diffscope]

PEER is a script that takes `train|grand|vog|depth --model M --input CxHxW --batch B --threads N` (for depth
`--examples N --dim D`), runs PyTorch and prints a JSON line with `examples_per_s`. Both sides run in turns, so that
whatever else the machine does meets both; read ratios, not times.
"""
import argparse, json, statistics, subprocess, sys

NET = lambda model, shape: ["--model", model, "--input", shape, "--batch", "128"]
JOBS = [
    ("train", 1, NET("resnet20", "3x32x32")), ("train", 2, NET("resnet20", "3x32x32")),
    ("train", 1, NET("resnet20", "1x28x28")), ("train", 2, NET("resnet20", "1x28x28")),
    ("train", 1, NET("vgg16-16", "3x32x32")), ("train", 2, NET("vgg16-16", "3x32x32")),
    ("train", 1, NET("mlp-512x7", "1x28x28")), ("train", 2, NET("mlp-512x7", "1x28x28")),
    ("grand", 1, NET("resnet20", "3x32x32")), ("vog", 1, NET("resnet20", "3x32x32")),
    ("depth", 1, ["--examples", "10000", "--dim", "4096"]),
    # As many queries against as many references: what the peer computes without symmetry.
    ("depth", 1, ["--examples", "10000", "--dim", "4096", "--queries", "10000"]),
]


def rate(command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])["examples_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer"); parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--program", default="target/release/diffscope"); parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    print(f"{'job':6} {'model':10} {'input':8} threads  diffscope      torch  ratio (spread)")
    for job, threads, args in JOBS:
        theirs = [arg.replace("mlp-512x7", "mlp-512") for arg in args]  # the peer's name for seven hidden layers
        theirs = theirs[:theirs.index("--queries")] if "--queries" in theirs else theirs
        pairs = []
        for _ in range(options.pairs):
            own = rate([options.program, "bench", job, *args, "--jobs", str(threads), "--json"])
            pairs.append((own, rate([options.python, options.peer, job, *theirs, "--threads", str(threads), "--steps", "8"])))
        ratios = [own / other for own, other in pairs]
        own, other = (statistics.median(side) for side in zip(*pairs))
        name, shape = args[1], args[3]
        print(f"{job:6} {name:10} {shape:8} {threads:7} {own:10.0f} {other:10.0f}  {statistics.median(ratios):5.2f} "
              f"({min(ratios):.2f}-{max(ratios):.2f})", flush=True)


main()
