#!/usr/bin/env python3
"""What each score adds to a study: processor time, peak memory and disk beside the same training without it.

    python3 benches/cost.py PROGRAM --data CIFAR_FOLDER --model resnet20 [--limit 50000] [--depth 2500 5000 10000]

Every study has one replicate and one job, so processor time is one core's and other load on the machine matters little.
Prints Markdown. Time is in epochs: the processor time of one epoch of training on the same examples, without any of these scores,
test set and observations included. `--limit` cuts the training examples where a whole epoch takes too long: all passes but
prediction depth's take time in proportion to the examples. Prediction depth is measured at the sizes of `--depth`.
"""
import argparse, os, subprocess, sys, tempfile

SCORES = {  # name in the table: (settings of training, of the data, scores, epochs, passes)
    "observe = \"sweep\"": ("observe = \"sweep\"", "", "", 1, 1),
    "el2n": ("", "", "el2n = { epoch = 1 }", 1, 1),
    "grand": ("", "", "grand = { epoch = 1 }", 1, 1),
    "vog (one moment)": ("", "", "vog = [{ every = 1 }]", 2, 2),
    "vog (predicted, one moment)": ("", "", "vog = [{ every = 1, target = \"predicted\" }]", 2, 2),
    "input_margin": ("", "", "input_margin = {}", 1, 1),
    "output_margin": ("", "", "output_margin = {}", 1, 1),
    "prototypes": ("", "", "prototypes = {}", 1, 1),
    "self_prototypes": ("", "", "self_prototypes = {}", 1, 1),
    "holdout_retraining (a tenth, 1 epoch)": ("observe = \"sweep\"", "retrain = { fraction = 0.1, epochs = 1, lr = 0.01 }", "holdout_retraining = {}", 1, 1),
    "agreement": ("", "", "agreement = {}", 1, 1),
}


def study(program, data, model, limit, train, more, scores, epochs):
    """Processor seconds, MiB at the most and MB on disk of a study."""
    with tempfile.TemporaryDirectory() as folder:
        config = f"""
name = "cost"
[data]
source = "cifar10"
path = "{data}"
limit = {limit}
{more}
[train]
epochs = {epochs}
batch_size = 128
optimizer = {{ lr = 0.01, momentum = 0.9, weight_decay = 1e-4 }}
augment = {{ crop = 4, flip = true }}
{train}
[[model]]
name = "{model}"
replicates = 1
[scores]
{scores}
"""
        with open(f"{folder}/cost.toml", "w") as file:
            file.write(config)
        run = [program, "run", f"{folder}/cost.toml", "--headless", "--jobs", "1", "--dir", f"{folder}/s"]
        child = subprocess.Popen(run, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"{' '.join(run)}: status {status}\n{config}")
        files = (os.path.join(where, name) for where, _, names in os.walk(f"{folder}/s") for name in names)
        disk = sum(os.path.getsize(file) for file in files)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, disk / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--limit", type=int, default=50000)
    parser.add_argument("--depth", type=int, nargs="*", default=[])
    parser.add_argument("--only", nargs="*")
    a = parser.parse_args()
    measure = lambda train, more, scores, epochs, limit=a.limit: study(
        a.program, a.data, a.model, limit, train, more, scores, epochs)
    bare = {epochs: measure("", "", "", epochs) for epochs in (1, 2)}
    epoch = bare[2][0] - bare[1][0]
    print(f"{a.model}, {a.limit} + 10000 examples of 3x32x32: an epoch takes {epoch:.1f} s of one core; "
          f"without these scores {bare[1][1]:.0f} MiB and {bare[1][2]:.1f} MB on disk after one epoch, "
          f"{bare[2][2] - bare[1][2]:.2f} MB more for each further one\n")
    print("| score | epochs of training a pass | MiB more | MB on disk more |\n|---|---|---|---|", flush=True)
    for name, (train, more, scores, epochs, passes) in SCORES.items():
        if a.only and not any(name.startswith(only) for only in a.only):
            continue
        seconds, memory, disk = measure(train, more, scores, epochs)
        # What is held out for fine-tuning needs sweeps: the same study with them, but without the score.
        base = measure(train, more, "", epochs) if more else bare[epochs]
        print(f"| {name} | {(seconds - base[0]) / passes / epoch:.2f} | {memory - base[1]:+.0f} | {disk - base[2]:+.1f} |", flush=True)
    for limit in a.depth:
        without, with_it = measure("", "", "", 1, limit), measure("", "", "prediction_depth = {}", 1, limit)
        seconds = with_it[0] - without[0]
        print(f"| prediction_depth, {limit} + 10000 | {seconds / epoch * a.limit / limit:.1f} of its epochs, {seconds:.0f} s | "
              f"{with_it[1] - without[1]:+.0f} | {with_it[2] - without[2]:+.1f} |", flush=True)


if __name__ == "__main__":
    main()
