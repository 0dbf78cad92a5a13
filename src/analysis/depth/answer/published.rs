//! What did the paper find? Its numbers (Baldock et al. 2021) beside ours, with the setting that each is of.

use super::super::corners::NEEDS_LABEL;
use super::super::relations::Found;
use super::{Cell, Table, middle};

/// What is compared.
#[derive(Debug, Clone, Copy)]
enum What {
    TestAccuracy,
    OutputMargin,
    /// Pearson's correlation of the logarithm of a margin and mean depth, over test examples.
    Pearson(&'static str),
    LargestMean,
    Probe,
    Network,
}

/// A number of the paper, or one per setting.
struct Published {
    what: What,
    quantity: &'static str,
    setting: &'static str,
    source: &'static str,
    value: &'static str,
}

const fn line(
    what: What,
    quantity: &'static str,
    setting: &'static str,
    source: &'static str,
    value: &'static str,
) -> Published {
    Published { what, quantity, setting, source, value }
}

const SETS: &str = "SVHN, Fashion-MNIST, CIFAR-10, CIFAR-100, without augmentation";
const LOSSES: &str = "CE-SGD, CE-GD, 0-hinge-SGD, 0-hinge-GD; VGG16, a subset of CIFAR-10";
const VGG: &str = "VGG16, CIFAR-10, 25 runs on the full training set";
const RESNET: &str = "ResNet18, CIFAR-10, 250 runs, 10 % held out";

const PUBLISHED: [Published; 10] = [
    line(What::TestAccuracy, "test accuracy, ResNet18", SETS, "table 2", "0.95, 0.93, 0.83, 0.56"),
    line(What::TestAccuracy, "test accuracy, VGG16", SETS, "table 2", "0.95, 0.93, 0.83, 0.45"),
    line(What::TestAccuracy, "test accuracy, MLP", SETS, "table 2", "0.85, 0.90, 0.59, 0.29"),
    line(What::TestAccuracy, "test accuracy by loss", LOSSES, "table 4", "0.876, 0.867, 0.839, 0.695"),
    line(What::OutputMargin, "mean output margin, test", LOSSES, "table 4", "16, 11, 0.06, 0.0002"),
    line(What::Pearson("output_margin"), "ln output margin and depth, test, Pearson", VGG, "figure 6", "-0.70"),
    line(What::Pearson("input_margin"), "ln input margin and depth, test, Pearson", VGG, "figure 6", "-0.69"),
    line(What::LargestMean, "largest mean depth / last, test", VGG, "figure 6", "at most 0.86 (12 of 14)"),
    line(What::Probe, "layer 4's probe right where the label is needed", RESNET, "section 4", "0.98"),
    line(What::Network, "the network right there", RESNET, "section 4", "0.25"),
];

/// Ours; NaN where the study has none.
fn ours(found: &Found, what: What) -> f64 {
    let test = found.side("test");
    let margin = |name: &str| found.known.margins.iter().find(|margin| margin.role == "test" && margin.name == name);
    let right = || found.known.corners.get(NEEDS_LABEL).and_then(|corner| middle(found.subject, corner));
    let known = match what {
        What::TestAccuracy => test.map(|of| of.histogram.accuracy),
        What::OutputMargin => margin("output_margin").map(|margin| margin.mean),
        What::Pearson(name) => margin(name).map(|margin| margin.pearson),
        What::LargestMean => test.map(|of| of.histogram.largest / found.subject.last),
        What::Probe => right().map(|(probe, _)| probe),
        What::Network => right().map(|(_, network)| network),
    };
    known.unwrap_or(f64::NAN)
}

/// A row per published number that the study has one for, a column per model.
pub(super) fn table(found: &[Found]) -> Option<Table> {
    let row = |published: &Published| {
        let ours: Vec<f64> = found.iter().map(|found| ours(found, published.what)).collect();
        let words = [published.quantity, published.setting, published.source, published.value];
        let words = words.into_iter().map(|words| Cell::Text(words.to_owned()));
        let is_known = ours.iter().any(|value| !value.is_nan());
        is_known.then(|| words.chain(ours.into_iter().map(Cell::Number)).collect())
    };
    let rows: Vec<Vec<Cell>> = PUBLISHED.iter().filter_map(row).collect();
    let columns = ["quantity", "published for", "source", "published"].into_iter().map(String::from);
    let ours = found.iter().map(|found| format!("ours: {}", found.subject.label));
    (!rows.is_empty()).then(|| Table {
        title: "Beside Baldock et al. 2021 (comparable only where data set, network and training are those of the row)"
            .to_owned(),
        columns: columns.chain(ours).collect(),
        rows,
    })
}
