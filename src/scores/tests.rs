//! Every score against its oracles: hand vectors, and an f64 log of all logits.
#![allow(clippy::float_cmp)] // what only counts is exact

mod orders;

use proptest::prelude::*;

use super::*;
use crate::study::config::Observe;

const EXAMPLES_WITHOUT_OBSERVATIONS: usize = 2;

fn specs(text: &str) -> crate::Result<Vec<ScoreSpec>> {
    resolve(&text.parse().unwrap(), Conditions::default())
}

/// A training of whole epochs, each observed.
fn epochs(epochs: usize) -> Timetable {
    Timetable::of_epochs(epochs as u32, 1)
}

/// Arrays for so many examples, all trained on, of which the first are observed.
fn sizes(examples: usize, observed: usize, classes: usize, timetable: Timetable) -> Sizes {
    Sizes { roles: vec![Role::Train; examples].into(), observed, classes, timetable }
}

fn names(text: &str) -> Vec<String> {
    specs(text).unwrap().into_iter().map(|spec| spec.name).collect()
}

fn refusal(text: &str) -> String {
    specs(text).unwrap_err().to_string()
}

fn one(text: &str, name: &str) -> ScoreSpec {
    specs(text).unwrap().into_iter().find(|spec| spec.name == name).unwrap()
}

/// One row of a record from logits `[examples, classes]`, in f64.
fn record(logits: &[Vec<f64>], labels: &[u16]) -> Record {
    let mut record = Record::default();
    for (z, label) in logits.iter().zip(labels) {
        let look = Exact::new(z, usize::from(*label));
        record.loss.push(look.loss as f32);
        record.margin.push(look.margin as f32);
        record.entropy.push(look.entropy as f32);
        record.predicted.push(look.predicted as u16);
    }
    record
}

/// What one example's logits say, straight from the definitions.
struct Exact {
    p: Vec<f64>,
    label: usize,
    loss: f64,
    margin: f64,
    entropy: f64,
    predicted: usize,
}

impl Exact {
    fn new(z: &[f64], label: usize) -> Self {
        let largest = z.iter().copied().fold(f64::MIN, f64::max);
        let log_sum = largest + z.iter().map(|z| (z - largest).exp()).sum::<f64>().ln();
        let p: Vec<f64> = z.iter().map(|z| (z - log_sum).exp()).collect();
        Self {
            label,
            loss: log_sum - z[label],
            margin: z[label] - rival(z, label),
            entropy: z.iter().zip(&p).map(|(z, p)| -p * (z - log_sum)).sum(),
            predicted: z.iter().position(|z| *z == largest).unwrap(),
            p,
        }
    }
}

fn rival(values: &[f64], label: usize) -> f64 {
    values.iter().enumerate().filter(|(class, _)| *class != label).map(|(_, v)| *v).fold(f64::MIN, f64::max)
}

/// A score by its definition, from the whole history of one example.
fn by_definition(name: &str, history: &[Exact]) -> f64 {
    let t = history.len();
    let mean = |of: fn(&Exact) -> f64| history.iter().map(of).sum::<f64>() / t as f64;
    let right: Vec<bool> = history.iter().map(|look| look.predicted == look.label).collect();
    let forgotten = right.windows(2).filter(|pair| pair[0] && !pair[1]).count();
    let ever = right.contains(&true);
    match name {
        "loss" => mean(|look| look.loss),
        "accuracy" => right.iter().filter(|right| **right).count() as f64 / t as f64,
        "confidence" => mean(|look| look.p[look.label]),
        "variability" => deviation(history, |look| look.p[look.label]),
        "variability.loss" => deviation(history, |look| look.loss),
        "variability.accuracy" => deviation(history, |look| f64::from(u8::from(look.predicted == look.label))),
        "variability.entropy" => deviation(history, |look| look.entropy),
        "variability.max_confidence" => deviation(history, |look| look.p[look.predicted]),
        "variability.margin" => deviation(history, |look| look.p[look.label] - rival(&look.p, look.label)),
        "variability.logit_margin" => deviation(history, |look| look.margin),
        "entropy" => mean(|look| look.entropy),
        "max_confidence" => mean(|look| look.p[look.predicted]),
        "aum" => mean(|look| look.p[look.label] - rival(&look.p, look.label)),
        "aum.logit" => mean(|look| look.margin),
        "aum.until2" => by_definition("aum", &history[..2]),
        "forgetting" => (if ever { forgotten } else { t }) as f64,
        "forgetting.zero" => forgotten as f64,
        "forgetting.inf" => {
            if ever {
                forgotten as f64
            } else {
                f64::INFINITY
            }
        }
        "first_learned" => right.iter().position(|right| *right).unwrap_or(t) as f64,
        "learned" => (0..=t).find(|from| right[*from..].iter().all(|right| *right)).unwrap() as f64,
        _ => panic!("{name} has no definition here"),
    }
}

/// The population standard deviation of a quantity over a history.
fn deviation(history: &[Exact], of: fn(&Exact) -> f64) -> f64 {
    let values: Vec<f64> = history.iter().map(of).collect();
    let centre = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

const ALL: &str =
    "variability = [{}, { of = 'loss' }, { of = 'accuracy' }, { of = 'entropy' }, { of = 'max_confidence' },
        { of = 'margin' }, { of = 'logit_margin' }]
    aum = [{}, { space = 'logit' }, { until = 2 }]
    forgetting = [{}, { never_learned = 'zero' }, { never_learned = 'inf' }]";

/// The value of a score for `c_t = 1` where the text has a `1`.
fn from_correctness(spec: &ScoreSpec, correct: &str) -> f32 {
    let mut observer = spec.observer(&sizes(1, 1, 2, epochs(correct.len())));
    for (t, c) in (0..).zip(correct.chars()) {
        let z = if c == '1' { vec![0.0, 1.0] } else { vec![1.0, 0.0] };
        observer.observe(t, &record(&[z], &[1]), &[1]);
    }
    observer.values()[0]
}

#[test]
fn the_hand_vectors_of_seven_observations_hold() {
    let vectors = [
        ("1010101", [3.0, 0.0, 6.0], [3.0, 3.0]),
        ("0101010", [3.0, 1.0, 7.0], [3.0, 3.0]),
        ("0000000", [7.0, 7.0, 7.0], [0.0, f32::INFINITY]),
        ("1111111", [0.0, 0.0, 0.0], [0.0, 0.0]),
    ];
    for (correct, expected, conventions) in vectors {
        let value = |name| from_correctness(&one(ALL, name), correct);
        assert_eq!(["forgetting", "first_learned", "learned"].map(value), expected, "{correct}");
        assert_eq!(["forgetting.zero", "forgetting.inf"].map(value), conventions, "{correct}");
    }
}

#[test]
fn a_score_without_history_or_observation_is_nan() {
    for spec in specs(ALL).unwrap() {
        let mut observer = spec.observer(&sizes(3, 2, 2, epochs(4)));
        assert!(observer.values().iter().all(|value| value.is_nan()), "{}", spec.name);
        for t in 0..4 {
            observer.observe(t, &record(&[vec![0.0, 1.0], vec![1.0, 0.0]], &[1, 1]), &[1, 1, 0]);
        }
        let missing: Vec<bool> = observer.values().iter().map(|value| value.is_nan()).collect();
        assert_eq!(missing, [false, false, true], "{}", spec.name);
    }
}

#[test]
fn a_loss_that_is_not_finite_spoils_its_example_and_no_other() {
    for spec in specs(ALL).unwrap() {
        let mut observer = spec.observer(&sizes(4, 4, 2, epochs(2)));
        let bad = Record {
            loss: vec![f32::NAN, f32::INFINITY, 0.5, 0.5],
            margin: vec![f32::NAN, f32::NEG_INFINITY, 0.4, f32::NAN],
            entropy: vec![f32::NAN; 4],
            predicted: vec![0, 0, 1, 0],
        };
        observer.observe(0, &bad, &[1; 4]);
        observer.observe(1, &bad, &[1; 4]);
        assert_eq!(observer.values().len(), 4);
        assert!(observer.values()[2].is_finite() || spec.name.ends_with("entropy"), "{}", spec.name);
    }
}

#[test]
fn names_carry_every_setting_that_is_not_the_default() {
    let always = [
        "loss",
        "accuracy",
        "confidence",
        "variability",
        "entropy",
        "max_confidence",
        "aum",
        "forgetting",
        "first_learned",
        "learned",
    ];
    assert_eq!(names(""), always);
    assert_eq!(names("el2n = {}")[10..], ["el2n@20"]);
    assert_eq!(names("el2n = { epoch = [20, 0] }")[10..], ["el2n@20", "el2n@0"]);
    assert_eq!(names("el2n = [{}, { epoch = 3 }]")[10..], ["el2n@20", "el2n@3"]);
    assert_eq!(names("aum = { space = 'logit' }")[6..8], ["aum.logit", "forgetting"]);
    assert_eq!(names("aum = [{}, { until = 80, space = 'logit' }]")[6..8], ["aum", "aum.logit.until80"]);
    assert_eq!(names("forgetting = { never_learned = 'zero' }")[7], "forgetting.zero");
}

#[test]
fn what_cannot_be_is_refused_with_what_could() {
    let cases = [
        ("el2m = {}", "`el2n`"),
        ("prediction_depth = { k = 0 }", "a whole number from 1"),
        ("prediction_depth = { leave_one_out = 'no' }", "true or false"),
        ("vog = { every = 0 }", "a whole number from 1"),
        ("aum = { spaec = 'logit' }", "did you mean `space`"),
        ("aum = { space = 'logits' }", "did you mean `logit`"),
        ("aum = { space = 3 }", "\"probability\", \"logit\""),
        ("aum = { until = 0 }", "from 1"),
        ("aum = { until = [1, 2] }", "from 1"),
        ("loss = { epoch = 3 }", "it takes none"),
        ("el2n = { epoch = -1 }", "whole number"),
        ("el2n = { epoch = [] }", "whole number"),
        ("el2n = { epoch = 5000000000 }", "whole number"),
        ("el2n = true", "table of settings"),
        ("aum = []", "table of settings"),
        ("aum = [{}, {}]", "twice"),
        ("el2n = { epoch = [3, 3] }", "`el2n@3` is asked for twice"),
        ("learned = { against = 'final' }", "needs observe = \"sweep\""),
    ];
    for (text, expected) in cases {
        let message = refusal(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
    let sweeps = Conditions { observe: Observe::Sweep, ..Conditions::default() };
    assert!(resolve(&"learned = { against = 'final' }".parse().unwrap(), sweeps).is_ok());
}

/// Many replicates of so many epochs on plenty of examples, of which a tenth is held out.
fn long(number: usize) -> Setup {
    Setup { timetable: epochs(number), replicates: 10, trained: 900, held_out: 100 }
}

#[test]
fn settings_that_leave_a_score_without_values_warn() {
    let one = |text: &str, setup: Setup| {
        let conditions = Conditions { observe: Observe::Sweep, holds_out: true, ..Conditions::default() };
        let warned: Vec<String> = resolve(&text.parse().unwrap(), conditions)
            .unwrap()
            .iter()
            .filter_map(|spec| spec.warning(&setup))
            .collect();
        assert!(warned.len() < 2, "{warned:?}");
        warned.into_iter().next()
    };
    let (few, small) = (Setup { replicates: 3, ..long(9) }, Setup { trained: 30, ..long(9) });
    for (text, futile, fine, says) in [
        ("vog = { stage = 'late', ddof = 3 }", long(9), None, "3 epochs less ddof = 3"),
        ("vog = { stage = 'late', ddof = 2 }", Setup::default(), Some(long(9)), "two checkpoints"),
        ("vog = { stage = 'late' }", long(2), Some(long(3)), "late are the last 3 epochs, and there are 2"),
        ("memorization = {}", few, Some(Setup { replicates: 4, ..few }), "there are 3 in all"),
        ("memorization = { least = 1 }", Setup { held_out: 0, ..few }, Some(few), "hold examples out"),
        ("agreement = {}", Setup { replicates: 1, ..few }, Some(few), "two replicates"),
        ("prediction_depth = {}", small, Some(Setup { trained: 31, ..small }), "an example has 29"),
        ("prediction_depth = { leave_one_out = false, k = 31 }", small, None, "an example has 30"),
        ("prediction_depth = { leave_one_out = false }", Setup { trained: 29, ..small }, Some(small), "has 29"),
        ("self_prototypes = { k = 31 }", small, None, "31 centres for 30"),
        ("self_prototypes = { k = 30 }", Setup { trained: 29, ..small }, Some(small), "30 centres for 29"),
    ] {
        let warning = one(text, futile).unwrap_or_default();
        assert!(warning.contains(says), "{text}: {warning}");
        assert_eq!(fine.and_then(|fine| one(text, fine)), None, "{text}");
    }
}

#[test]
fn an_epoch_past_the_end_warns_and_gives_nan() {
    let text = "el2n = { epoch = [0, 20] }\naum = { until = 80 }";
    let warned: Vec<String> = specs(text).unwrap().iter().filter_map(|spec| spec.warning(&long(2))).collect();
    assert!(warned.len() == 2 && warned[0].contains("`aum.until80`") && warned[1].contains("epoch 20"), "{warned:?}");
    assert!(specs(text).unwrap().iter().all(|spec| spec.warning(&long(80)).is_none()));
    assert_eq!(passes(&specs(text).unwrap(), &epochs(2)), [(Pass::Logits, [0].into())]);
    let mut observer = one(text, "aum.until80").observer(&sizes(1, 1, 2, epochs(2)));
    observer.observe(0, &record(&[vec![0.0, 1.0]], &[1]), &[1]);
    assert!(observer.values()[0].is_nan());
}

#[test]
fn conventions_tell_apart_what_must_not_be_averaged_together() {
    let mut seen: Vec<serde_json::Value> = Vec::new();
    for observe in [Observe::Minibatch, Observe::Sweep] {
        for spec in resolve(&ALL.parse().unwrap(), Conditions { observe, ..Conditions::default() }).unwrap() {
            let conventions = spec.conventions(&epochs(9));
            assert!(!seen.contains(&conventions), "{conventions}");
            assert!(conventions["definition"].as_str().unwrap().len() > 10, "{conventions}");
            assert!(conventions["source"].as_str().unwrap().contains("20"), "{conventions}");
            seen.push(conventions);
            let seldom = spec.conventions(&Timetable { every: 3, rows: 3, ..epochs(9) });
            assert!(!seen.contains(&seldom), "every third epoch is another history: {seldom}");
        }
    }
}

#[test]
fn conventions_have_what_defines_a_number_and_nothing_that_does_not() {
    let retrain = Some(crate::study::config::Retrain { fraction: 0.125, epochs: 7, lr: 0.5 });
    let conditions = Conditions { observe: Observe::Sweep, holds_out: false, retrain };
    let text = "holdout_retraining = {}\nvog = [{}, { stage = 'early' }, { stage = 'late' }]\ninput_margin = {}";
    let specs = resolve(&text.parse().unwrap(), conditions).unwrap();
    let of = |name: &str| specs.iter().find(|spec| spec.name == name).unwrap().conventions(&epochs(9));
    let expected = serde_json::json!({ "fraction": 0.125, "epochs": 7, "lr": 0.5 });
    assert_eq!(of("holdout_retraining")["settings"], expected);
    assert_eq!(of("loss")["settings"], serde_json::json!({}), "fine-tuning is no matter of other scores");
    let every = ["vog", "vog.early", "vog.late"].map(|name| of(name)["settings"]["every"].clone());
    assert_eq!(every, [10.into(), serde_json::Value::Null, serde_json::Value::Null]);
    assert_eq!(of("vog.late")["settings"]["stage"], "late");
    assert!(of("input_margin")["definition"].as_str().unwrap().contains("channel's mean"));
}

#[test]
fn epochs_in_settings_are_epochs_where_only_some_are_observed() {
    let seldom = Timetable { every: 3, rows: 3, ..epochs(8) };
    let value = |until: u32| {
        let text = format!("aum = {{ space = 'logit', until = {until} }}");
        let mut observer = one(&text, &format!("aum.logit.until{until}")).observer(&sizes(1, 1, 2, seldom));
        // Observed after epochs 3, 6 and 8.
        for (t, margin) in [(0, 1.0), (1, 2.0), (2, 6.0)] {
            observer.observe(t, &record(&[vec![0.0, margin]], &[1]), &[1]);
        }
        observer.values()[0]
    };
    assert_eq!([3, 5, 6, 7, 8].map(value), [1.0, 1.0, 1.5, 1.5, 3.0]);
    assert!(value(2).is_nan() && value(9).is_nan(), "before the first look, past the end");
}

#[test]
fn el2n_keeps_the_pass_of_its_own_epoch_for_all_examples() {
    let mut observer = one("el2n = { epoch = 1 }", "el2n@1").observer(&sizes(2, 1, 2, epochs(4)));
    observer.seen(Pass::Logits, 0, &[9.0, 0.0, 0.0, 9.0], &[0, 0]);
    assert!(observer.values().iter().all(|value| value.is_nan()));
    observer.seen(Pass::Logits, 1, &[0.0, 0.0, 0.0, 0.0], &[0, 1]);
    observer.seen(Pass::Logits, 2, &[9.0, 0.0, 0.0, 9.0], &[0, 0]);
    assert_eq!(observer.values(), [0.5_f32.sqrt(); 2]);
}

/// Labels and logits `[observations][examples][classes]`; whole numbers among them, so that ties occur.
fn histories() -> impl Strategy<Value = (Vec<u16>, Vec<Vec<Vec<f64>>>)> {
    (2_usize..8, 1_usize..6, 2_usize..9).prop_flat_map(|(classes, examples, observations)| {
        let logit = prop_oneof![-3.0..3.0_f64, (-2_i32..3).prop_map(f64::from)];
        let epoch = prop::collection::vec(prop::collection::vec(logit, classes), examples);
        (prop::collection::vec(0..classes as u16, examples), prop::collection::vec(epoch, observations))
    })
}

proptest! {
    #[test]
    fn online_scores_equal_an_f64_log_of_the_logits((labels, epochs) in histories(), kill_at in 0_usize..9) {
        let examples = labels.len() + EXAMPLES_WITHOUT_OBSERVATIONS;
        let course = super::tests::epochs(epochs.len());
        let observer = |spec: &ScoreSpec| spec.observer(&sizes(examples, labels.len(), epochs[0][0].len(), course));
        for spec in specs(ALL).unwrap() {
            let (mut whole, mut online) = (observer(&spec), observer(&spec));
            for (t, logits) in epochs.iter().enumerate() {
                let record = record(logits, &labels);
                whole.observe(t as u32, &record, &labels);
                if t == kill_at {
                    let mut resumed = observer(&spec);
                    for ((name, kept), (same, fresh)) in online.state().into_iter().zip(resumed.state()) {
                        prop_assert_eq!((name, kept.len()), (same, fresh.len()));
                        fresh.clone_from(kept);
                    }
                    online = resumed;
                }
                online.observe(t as u32, &record, &labels);
            }
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(bits(online.values()), bits(whole.values()));
            for (example, (label, value)) in labels.iter().zip(online.values()).enumerate() {
                let look = |logits: &Vec<Vec<f64>>| Exact::new(&logits[example], usize::from(*label));
                let expected = by_definition(&spec.name, &epochs.iter().map(look).collect::<Vec<_>>());
                let close = f64::from(value) == expected || (f64::from(value) - expected).abs() < 1e-6;
                prop_assert!(close, "{} {} {}", spec.name, value, expected);
                if ["accuracy", "forgetting", "first_learned", "learned"].contains(&spec.base()) {
                    prop_assert_eq!(value, expected as f32, "{}", spec.name);
                }
            }
        }
    }

    #[test]
    fn el2n_is_at_most_the_root_of_two(logits in prop::collection::vec(-1e4_f32..1e4, 2..12), label in 0_u16..2) {
        let mut observer = one("el2n = { epoch = 0 }", "el2n@0").observer(&sizes(1, 1, logits.len(), epochs(1)));
        observer.seen(Pass::Logits, 0, &logits, &[label]);
        prop_assert!(f64::from(observer.values()[0]) <= f64::from(2.0_f32.sqrt()));
    }
}
