//! Do a finished replicate's scores follow from its observation files, and do those lie where their examples are?
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)] // helpers of tests fail as tests do; counts are exact

use std::path::Path;

use diffscope::commands::launch::Prepared;
use diffscope::scores::{Kind, ScoreSpec};
use diffscope::store::replicate::ReplicateDir;
use diffscope::store::{StudyFolder, npy};
use diffscope::study::Config;

use crate::studies::{id, prepare_with_tests, run_prepared};

fn dir_of(study: &Path, label: &str) -> ReplicateDir {
    StudyFolder::open(study).unwrap().replicate(&id(label, 0))
}

/// What the files say of one look at one example.
#[derive(Clone, Copy)]
struct Look {
    loss: f64,
    margin: f64,
    entropy: f64,
    right: bool,
}

impl Look {
    fn own(&self) -> f64 {
        (-self.loss).exp()
    }

    /// The largest probability of another class: its logit is `margin` below the label's.
    fn rival(&self) -> f64 {
        (-self.loss - self.margin).exp()
    }
}

/// A score of one example by its definition, from all looks at it.
fn by_definition(name: &str, looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let mean = |of: fn(&Look) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let deviation = |of: fn(&Look) -> f64| {
        let centre = mean(of);
        (looks.iter().map(|look| (of(look) - centre).powi(2)).sum::<f64>() / count).sqrt()
    };
    let right = |t: usize| looks[t].right;
    let forgotten = (1..looks.len()).filter(|t| right(t - 1) && !right(*t)).count() as f64;
    let never = (0..looks.len()).all(|t| !right(t));
    match name {
        "loss" => mean(|look| look.loss),
        "accuracy" => mean(|look| f64::from(u8::from(look.right))),
        "confidence" => mean(Look::own),
        "entropy" => mean(|look| look.entropy),
        "max_confidence" => mean(|look| look.own().max(look.rival())),
        "aum" => mean(|look| look.own() - look.rival()),
        "aum.logit" => mean(|look| look.margin),
        "aum.until2" => by_definition("aum", &looks[..2]),
        "variability" => deviation(Look::own),
        "variability.loss" => deviation(|look| look.loss),
        "variability.accuracy" => deviation(|look| f64::from(u8::from(look.right))),
        "variability.entropy" => deviation(|look| look.entropy),
        "variability.max_confidence" => deviation(|look| look.own().max(look.rival())),
        "variability.margin" => deviation(|look| look.own() - look.rival()),
        "variability.logit_margin" => deviation(|look| look.margin),
        "forgetting" if never => count,
        "forgetting.inf" if never => f64::INFINITY,
        "forgetting" | "forgetting.zero" | "forgetting.inf" => forgotten,
        "first_learned" => (0..looks.len()).position(right).map_or(count, |t| t as f64),
        "learned" => (0..looks.len()).rev().take_while(|t| right(*t)).last().map_or(count, |t| t as f64),
        other => panic!("{other} has no definition here"),
    }
}

/// How far a stored score may be from its definition, where it does not only count; entropies are kept as f16.
fn tolerance(spec: &ScoreSpec) -> f64 {
    match (spec.base(), spec.name.as_str()) {
        ("accuracy" | "forgetting" | "first_learned" | "learned", _) => 0.0,
        (_, "entropy" | "variability.entropy") => 1e-3,
        _ => 1e-5,
    }
}

#[test]
fn every_score_of_a_trajectory_follows_from_the_stored_observations() {
    let variants = [
        "scores.aum=[{}, { space = 'logit' }, { until = 2 }]",
        "scores.forgetting=[{}, { never_learned = 'zero' }, { never_learned = 'inf' }]",
        "scores.variability=[{}, { of = 'loss' }, { of = 'accuracy' }, { of = 'entropy' }, { of = 'max_confidence' }, \
         { of = 'margin' }, { of = 'logit_margin' }]",
    ];
    for observe in ["minibatch", "sweep"] {
        let temp = tempfile::tempdir().unwrap();
        let observe_as = format!("train.observe={observe}");
        let more = ["data.limit=150", "train.epochs=5", "model.0.replicates=1", "model.1.replicates=1", &observe_as];
        let settings = [&variants[..], &more].concat();
        let prepared = prepare_with_tests(temp.path(), &settings, 50);
        run_prepared(&prepared, 2);
        let dataset = &prepared.dataset;
        for label in ["net", "mlp-16x1"] {
            let dir = dir_of(temp.path(), label);
            let read = |name: &str| npy::read::<f32>(&dir.observations().join(format!("{name}.npy"))).unwrap();
            let ((shape, loss), (_, margin)) = (read("loss"), read("margin"));
            let entropy = npy::read::<half::f16>(&dir.observations().join("entropy.npy")).unwrap().1;
            let predicted = npy::read::<u8>(&dir.observations().join("predicted.npy")).unwrap().1;
            let observed = if observe == "sweep" { dataset.len() } else { dataset.train };
            assert_eq!(shape, [5, observed]);
            let looks = |example: usize| -> Vec<Look> {
                let look = |t: usize| {
                    let at = t * observed + example;
                    Look {
                        loss: f64::from(loss[at]),
                        margin: f64::from(margin[at]),
                        entropy: f64::from(entropy[at].to_f32()),
                        right: u16::from(predicted[at]) == dataset.labels[example],
                    }
                };
                (0..5).map(look).collect()
            };
            let stored = dir.scores().unwrap().unwrap();
            let trajectories = prepared.plan.scores.iter().filter(|spec| spec.kind().kind == Kind::Trajectory);
            let mut checked = 0;
            for spec in trajectories {
                let values = &stored.iter().find(|score| score.name == spec.name).unwrap().values;
                for (example, value) in values.iter().enumerate() {
                    if example >= observed {
                        assert!(value.is_nan(), "{label}: {} of {example}, which was never observed", spec.name);
                        continue;
                    }
                    let exact = by_definition(&spec.name, &looks(example));
                    let off = (f64::from(*value) - exact).abs();
                    let near = *value == exact as f32 || off <= tolerance(spec);
                    assert!(
                        near,
                        "{observe}, {label}: {} of {example} is {value}, by its observations {exact}",
                        spec.name
                    );
                }
                checked += 1;
            }
            assert_eq!(checked, 20);
        }
    }
}

/// A network that stays as it began, so that whenever an example is presented, it shows the same.
const STILL: &str = r#"
name = "still"
[data]
source = "embedded"
limit = 150
[train]
epochs = 3
optimizer = { lr = 0.0, momentum = 0.0, weight_decay = 0.0, milestones = [] }
augment = { crop = 0, flip = false }
seed = 5
[[model]]
name = "mlp-16x1"
replicates = 1
"#;

#[test]
fn observations_lie_at_their_examples_in_any_order_and_batches_of_any_size() {
    for batch in ["1", "7", "64", "150", "'full'"] {
        let temp = tempfile::tempdir().unwrap();
        let config = Config::parse(STILL, "still.toml", &[format!("train.batch_size={batch}")]).unwrap();
        let prepared = Prepared::new(&config, temp.path().to_path_buf()).unwrap();
        run_prepared(&prepared, 1);
        let dir = dir_of(temp.path(), "mlp-16x1");
        let (classes, logits) = dir.final_logits().unwrap();
        let observations = dir.open_observations().unwrap().unwrap();
        for t in 0..3 {
            let row = observations.row(t).unwrap();
            assert_eq!(row.loss.len(), 150);
            for (example, z) in logits.chunks_exact(classes).take(150).enumerate() {
                let label = usize::from(prepared.dataset.labels[example]);
                let z: Vec<f64> = z.iter().map(|z| f64::from(*z)).collect();
                let most = z.iter().copied().fold(f64::MIN, f64::max);
                let loss = most + z.iter().map(|z| (z - most).exp()).sum::<f64>().ln() - z[label];
                let others = z.iter().enumerate().filter(|(class, _)| *class != label);
                let margin = z[label] - others.map(|(_, z)| *z).fold(f64::MIN, f64::max);
                let near = |found: f32, exact: f64| (f64::from(found) - exact).abs() < 1e-5;
                let fits = near(row.loss[example], loss) && near(row.margin[example], margin);
                assert!(fits, "batches of {batch}, epoch {}: {example} shows another example's logits", t + 1);
                assert_eq!(z.iter().position(|z| *z == most), Some(usize::from(row.predicted[example])));
            }
        }
    }
}
