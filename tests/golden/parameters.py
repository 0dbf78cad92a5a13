#!/usr/bin/env python3
"""Parameter counts and tensor names of the models from PyTorch, for `src/models/`.

    python3 -m venv venv && venv/bin/pip install torch && venv/bin/python tests/golden/parameters.py

Writes parameters.json beside this file. The networks are written from their definitions (papers and doc comments of
`src/models/`), each run once on its input, so that a count is that of a network that works.
"""
import json, pathlib
import torch, torch.nn as nn, torch.nn.functional as F


class StandardisedConv(nn.Conv2d):
    """Weight standardisation (Qiao et al. 2019)."""

    def forward(self, x):
        w = self.weight
        variance, mean = torch.var_mean(w, dim=(1, 2, 3), keepdim=True, correction=0)
        return self._conv_forward(x, (w - mean) / torch.sqrt(variance + 1e-5), self.bias)


def group_norm(channels):
    return nn.GroupNorm(max(g for g in range(1, 33) if channels % g == 0), channels)


class Block(nn.Module):
    def __init__(self, i, o, stride, conv, norm):
        super().__init__()
        self.conv1, self.bn1 = conv(i, o, 3, stride, 1, bias=False), norm(o)
        self.conv2, self.bn2 = conv(o, o, 3, 1, 1, bias=False), norm(o)
        changes = stride != 1 or i != o
        self.shortcut = nn.Sequential(conv(i, o, 1, stride, bias=False), norm(o)) if changes else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, channels, stages, width, classes, conv=nn.Conv2d, norm=nn.BatchNorm2d):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, width, 3, 1, 1, bias=False), norm(width)
        i = width
        for stage, blocks in enumerate(stages):
            o, layer = width << stage, []
            for index in range(blocks):
                layer.append(Block(i, o, 2 if stage and index == 0 else 1, conv, norm))
                i = o
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
        self.stages, self.fc = len(stages), nn.Linear(i, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


class Vgg(nn.Module):
    def __init__(self, channels, plan, width, classes, plain):
        super().__init__()
        layers, i = [], channels
        for item in plan:
            if item == "M":
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                continue
            o = item * width // 64
            layers += [nn.Conv2d(i, o, 3, 1, 1, bias=plain)] + ([] if plain else [nn.BatchNorm2d(o)]) + [nn.ReLU()]
            i = o
        self.features, self.fc = nn.Sequential(*layers), nn.Linear(i, classes)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


class LeNet(nn.Module):
    def __init__(self, channels, height, width, classes):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        side = lambda n: ((n + 1) // 2 - 4 + 1) // 2
        self.fc1, self.fc2 = nn.Linear(16 * side(height) * side(width), 120), nn.Linear(120, 84)
        self.fc = nn.Linear(84, classes)

    def forward(self, x):
        pool = lambda x: F.max_pool2d(x, 2, ceil_mode=True)
        x = pool(F.relu(self.conv2(pool(F.relu(self.conv1(x)))))).flatten(1)
        return self.fc(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Mlp(nn.Module):
    """Without hidden layers it is logistic regression."""

    def __init__(self, inputs, width, hidden, classes):
        super().__init__()
        self.hidden = hidden
        for index in range(hidden):
            setattr(self, f"fc{index + 1}", nn.Linear(width if index else inputs, width))
        self.fc = nn.Linear(width if hidden else inputs, classes)

    def forward(self, x):
        x = x.flatten(1)
        for index in range(self.hidden):
            x = F.relu(getattr(self, f"fc{index + 1}")(x))
        return self.fc(x)


V11 = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512]
V13 = [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512]
V16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
V19 = [64, 64, "M", 128, 128, "M"] + [256] * 4 + ["M"] + [512] * 4 + ["M"] + [512] * 4

GROUPED = {"conv": StandardisedConv, "norm": group_norm}
RGB, GREY, SMALL = (3, 32, 32), (1, 28, 28), (1, 9, 12)


def resnet(depth, width=16, **kinds):
    return lambda s, c: ResNet(s[0], [(depth - 2) // 6] * 3, width, c, **kinds)


def wide_resnet(stages, width=64, **kinds):
    return lambda s, c: ResNet(s[0], stages, width, c, **kinds)


def vgg(plan, width=64, plain=False):
    return lambda s, c: Vgg(s[0], plan, width, c, plain)


def lenet(s, c):
    return LeNet(*s, c)


def mlp(width, hidden):
    return lambda s, c: Mlp(s[0] * s[1] * s[2], width, hidden, c)


MODELS = [
    ("resnet20", resnet(20), RGB), ("resnet20", resnet(20), GREY), ("resnet20-64", resnet(20, 64), RGB),
    ("resnet32", resnet(32), RGB), ("resnet44", resnet(44), RGB), ("resnet56", resnet(56), RGB),
    ("resnet110", resnet(110), RGB), ("resnet20-gn", resnet(20, **GROUPED), RGB),
    ("resnet18", wide_resnet([2, 2, 2, 2]), RGB), ("resnet18", wide_resnet([2, 2, 2, 2]), GREY),
    ("resnet18-20", wide_resnet([2, 2, 2, 2], 20), RGB), ("resnet34", wide_resnet([3, 4, 6, 3]), RGB),
    ("resnet34-16", wide_resnet([3, 4, 6, 3], 16), GREY),
    ("resnet18-gn", wide_resnet([2, 2, 2, 2], **GROUPED), RGB),
    ("resnet18-gn", wide_resnet([2, 2, 2, 2], **GROUPED), GREY),
    ("vgg11", vgg(V11), RGB), ("vgg13", vgg(V13), RGB), ("vgg16", vgg(V16), RGB), ("vgg19", vgg(V19), RGB),
    ("vgg16", vgg(V16), GREY), ("vgg16-16", vgg(V16, 16), RGB), ("vgg13-7", vgg(V13, 7), RGB),
    ("vgg16-plain", vgg(V16, plain=True), RGB), ("vgg16-plain", vgg(V16, plain=True), GREY),
    ("lenet5", lenet, GREY), ("lenet5", lenet, RGB),
    ("mlp-2048x7", mlp(2048, 7), RGB), ("mlp-512x7", mlp(512, 7), GREY), ("mlp-10x1", mlp(10, 1), (1, 1, 2)),
    ("logistic", mlp(0, 0), GREY), ("logistic", mlp(0, 0), RGB),
]
NAMED = [
    ("resnet14-6", resnet(14, 6), SMALL), ("resnet18-4", wide_resnet([2, 2, 2, 2], 4), SMALL),
    ("resnet18-gn-8", wide_resnet([2, 2, 2, 2], 8, **GROUPED), SMALL), ("vgg11-4", vgg(V11, 4), SMALL),
    ("vgg19-4", vgg(V19, 4), SMALL), ("vgg16-plain-4", vgg(V16, 4, plain=True), SMALL), ("lenet5", lenet, SMALL),
    ("mlp-6x3", mlp(6, 3), SMALL), ("logistic", mlp(0, 0), SMALL),
]


def main():
    rows = []
    for name, make, shape in MODELS + NAMED:
        classes = 2 if shape == (1, 1, 2) else 10
        net = make(shape, classes)
        assert net(torch.randn(2, *shape)).shape == (2, classes), name
        parameters = list(net.named_parameters())
        statistics = [(n, b) for n, b in net.named_buffers() if not n.endswith("num_batches_tracked")]
        row = {"model": name, "input": shape, "classes": classes,
               "parameters": sum(p.numel() for _, p in parameters), "statistics": sum(b.numel() for _, b in statistics)}
        if (name, make, shape) in NAMED:
            row["tensors"] = [[n, list(t.shape)] for n, t in parameters + statistics]
        rows.append(row)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    pathlib.Path(__file__).with_name("parameters.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
