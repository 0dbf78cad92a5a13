//! May a study folder go on under this config? What differs in a way that would mix results.
//!
//! More replicates, new models, new scores and another `checkpoint_seconds` are fine, and so is what the new config no
//! longer names. `data.path` may change too: the digest of the data says whether they are the same.

use toml::{Table, Value};

use super::folder::StudyRecord;
use crate::study::Config;
use crate::study::config::{ModelConfig, TrainConfig};

/// What may change in `[data]` and `[train]`.
const FREE: [&str; 2] = ["data.path", "train.checkpoint_seconds"];

/// What a new run of a study would change, one line each (`train.batch_size: 64 -> 77`); none: it may go on.
pub fn between(old: &StudyRecord, new: &StudyRecord) -> Vec<String> {
    let mut lines = Vec::new();
    if old.numerics != new.numerics {
        lines.push(format!("numerics version: {} -> {}", old.numerics, new.numerics));
    }
    lines.extend(differences(&old.config, &new.config));
    if old.data_digest != new.data_digest {
        lines.push(format!("digest of the data: {} -> {}", old.data_digest, new.data_digest));
    }
    lines
}

/// What a new config would change in `[data]`, `[train]` and the models of an old one, one line each.
pub fn differences(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    compare("data", table(&old.data).as_ref(), table(&new.data).as_ref(), &mut lines);
    compare("train", table(&old.train).as_ref(), table(&new.train).as_ref(), &mut lines);
    for model in &old.models {
        if let Some(changed) = new.models.iter().find(|other| other.label() == model.label()) {
            let place = format!("model `{}`", model.label());
            let (before, after) = (own_settings(model, &old.train), own_settings(changed, &new.train));
            compare(&place, Some(&before), Some(&after), &mut lines);
        }
    }
    lines
}

/// What a model sets that is not `[train]`'s own value; how many replicates it has and its label are no setting.
fn own_settings(model: &ModelConfig, train: &TrainConfig) -> Value {
    let common = table(train);
    let settings = table(model).and_then(|value| value.try_into::<Table>().ok()).unwrap_or_default();
    let is_own = |key: &str, value: &Value| common.as_ref().and_then(|common| common.get(key)) != Some(value);
    let kept = settings
        .into_iter()
        .filter(|(key, value)| !["replicates", "label"].contains(&key.as_str()) && is_own(key, value));
    Value::Table(kept.collect())
}

fn table(part: &impl serde::Serialize) -> Option<Value> {
    Value::try_from(part).ok()
}

fn compare(place: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    if let (Some(Value::Table(old)), Some(Value::Table(new))) = (old, new) {
        for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
            compare(&format!("{place}.{key}"), old.get(key), new.get(key), lines);
        }
        return;
    }
    if old != new && !FREE.contains(&place) {
        let shown = |value: Option<&Value>| value.map_or("(not set)".to_owned(), Value::to_string);
        lines.push(format!("{place}: {} -> {}", shown(old), shown(new)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUDY: &str = r#"
        name = "s"
        data = { source = "embedded", limit = 500 }
        train = { epochs = 10, batch_size = 64, optimizer = { lr = 0.1, milestones = [5] } }
        scores = { el2n = { epoch = [2] } }
        [[model]]
        name = "resnet8"
        replicates = 2
        [[model]]
        name = "mlp-64x2"
        replicates = 2
        epochs = 4
    "#;

    fn changed(from: &str, to: &str) -> Vec<String> {
        assert!(STUDY.contains(from), "{from}");
        differences(&toml::from_str(STUDY).unwrap(), &toml::from_str(&STUDY.replacen(from, to, 1)).unwrap())
    }

    #[test]
    fn more_replicates_new_models_new_scores_and_other_pauses_between_checkpoints_are_no_difference() {
        assert!(changed("replicates = 2", "replicates = 9").is_empty());
        assert!(changed("replicates = 2", "replicates = 1").is_empty());
        assert!(changed("epochs = 4", "epochs = 4\n[[model]]\nname = \"resnet14\"\nreplicates = 1").is_empty());
        assert!(changed("el2n = { epoch = [2] }", "grand = {}").is_empty());
        assert!(changed("batch_size = 64", "batch_size = 64, checkpoint_seconds = 1").is_empty());
        assert!(changed("limit = 500", "limit = 500, path = \"/elsewhere\"").is_empty());
        assert!(changed("name = \"mlp-64x2\"", "name = \"mlp-64x3\"").is_empty());
        assert!(changed("replicates = 2", "batch_size = 64\nlabel = \"resnet8\"\nreplicates = 2").is_empty());
    }

    #[test]
    fn every_other_change_is_a_line_with_both_values() {
        assert_eq!(changed("batch_size = 64", "batch_size = 77"), ["train.batch_size: 64 -> 77"]);
        assert_eq!(changed("lr = 0.1", "lr = 0.2"), ["train.optimizer.lr: 0.1 -> 0.2"]);
        assert_eq!(changed("[5]", "[5, 7]"), ["train.optimizer.milestones: [5] -> [5, 7]"]);
        assert_eq!(changed(", limit = 500", ""), ["data.limit: 500 -> (not set)"]);
        assert_eq!(changed("\"embedded\"", "\"mnist\""), ["data.source: \"embedded\" -> \"mnist\""]);
        assert_eq!(changed("epochs = 4", "epochs = 5"), ["model `mlp-64x2`.epochs: 4 -> 5"]);
        assert_eq!(changed("epochs = 4", ""), ["model `mlp-64x2`.epochs: 4 -> (not set)"]);
        assert_eq!(
            changed("name = \"mlp-64x2\"", "name = \"resnet20\"\nlabel = \"resnet8\"").len(),
            0,
            "a second model of a label is refused by the config's own check"
        );
        assert_eq!(
            changed("name = \"resnet8\"", "name = \"resnet20\"\nlabel = \"resnet8\""),
            ["model `resnet8`.name: \"resnet8\" -> \"resnet20\""]
        );
    }
}
