#!/usr/bin/env python3
"""PyTorch's side of benches/accuracy.toml: the same nets, initialisation, descent, schedule and examples; one JSON line per seed.

    python3 benches/accuracy_torch.py PEER --model resnet20 --study accuracy --data FOLDER [--lr 0.1]

PEER is a script that defines `build(name, shape)`, which gives the net; --study is the folder that diffscope trained (its
examples.parquet says which images), --data that of the four Fashion-MNIST files.
"""
import argparse, gzip, json, pathlib, struct, sys
import numpy as np, pyarrow.parquet as parquet, torch, torch.nn as nn, torch.nn.functional as F


def read(folder, name):
    data = gzip.open(next(pathlib.Path(folder).glob(name + "*.gz"))).read()
    count = struct.unpack(">I", data[4:8])[0]
    if "images" in name: return np.frombuffer(data, np.uint8, offset=16).reshape(count, 1, 28, 28)
    return np.frombuffer(data, np.uint8, offset=8).astype(np.int64)


def builder(peer):
    source, sys.argv = pathlib.Path(peer).read_text(), [peer, "train"]
    names = {}
    exec(compile(source.replace("\nmain()\n", "\n"), peer, "exec"), names)
    return names["build"]


def train(net, options, x, y):
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None: nn.init.zeros_(module.bias)
    sgd = torch.optim.SGD(net.parameters(), options.lr, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(sgd, [4], 0.1)
    for _ in range(6):
        net.train()
        for batch in torch.randperm(len(x)).split(128):
            sgd.zero_grad(); F.cross_entropy(net(x[batch]), y[batch]).backward(); sgd.step()
        schedule.step()
    return net.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer")
    for name in ("model", "study", "data"): parser.add_argument("--" + name, required=True)
    parser.add_argument("--lr", type=float, default=0.1); parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    build = builder(options.peer)
    torch.set_num_threads(1)
    rows = parquet.read_table(pathlib.Path(options.study) / "examples.parquet").to_pydict()
    ids = [id for id, split in zip(rows["id"], rows["split"]) if split == "train"]
    images = read(options.data, "train-images")
    mean, std = images.mean() / 255, images.std() / 255
    norm = lambda pixels: torch.tensor((pixels / 255.0 - mean) / std, dtype=torch.float32)
    x, y = norm(images[ids]), torch.tensor(read(options.data, "train-labels")[ids])
    test_x, test_y = norm(read(options.data, "t10k-images")), torch.tensor(read(options.data, "t10k-labels"))
    for seed in range(options.seeds):
        torch.manual_seed(seed + 1000)
        net = train(build(options.model, (1, 28, 28)), options, x, y)
        with torch.no_grad():
            right = sum((net(part).argmax(1) == own).sum().item() for part, own in zip(test_x.split(500), test_y.split(500)))
        print(json.dumps({"model": options.model, "seed": seed, "test_accuracy": right / len(test_y)}), flush=True)


main()
