//! Which scores has a study after it was run with another config? All variants that either names: what was stored stays visible.

use std::collections::HashSet;

use toml::{Table, Value};

use super::settings::Settings;
use super::{Kind, REGISTRY, ScoreKind};

/// `[scores]` of a study that had `old` and is run with `new`: the new variants first, then those that only the old one has.
pub fn merged(new: &Table, old: &Table) -> Table {
    let mut merged = new.clone();
    for (name, written) in old {
        merged.entry(name.clone()).or_insert_with(|| written.clone());
    }
    for kind in REGISTRY {
        let own = variants(kind, new);
        let mut known: HashSet<String> = own.iter().flat_map(|variant| names(kind, variant)).collect();
        let added: Vec<Value> = variants(kind, old)
            .into_iter()
            .flat_map(|variant| singles(&variant))
            .filter(|variant| names(kind, variant).into_iter().all(|name| known.insert(name)))
            .collect();
        if !own.is_empty() && !added.is_empty() {
            merged.insert(kind.name.to_owned(), Value::Array(own.into_iter().chain(added).collect()));
        }
    }
    merged
}

/// The tables of a score's entry; a trajectory score that isn't named is there by default.
fn variants(kind: &ScoreKind, scores: &Table) -> Vec<Value> {
    match scores.get(kind.name) {
        Some(Value::Array(list)) => list.clone(),
        Some(written) => vec![written.clone()],
        None if kind.kind == Kind::Trajectory => vec![Value::Table(Table::new())],
        None => Vec::new(),
    }
}

/// A table with a list of epochs as tables of one epoch each.
fn singles(variant: &Value) -> Vec<Value> {
    let Some(table) = variant.as_table() else { return vec![variant.clone()] };
    let Some(epochs) = table.get("epoch").and_then(Value::as_array) else { return vec![variant.clone()] };
    let of = |epoch: &Value| {
        let mut single = table.clone();
        single.insert("epoch".to_owned(), epoch.clone());
        Value::Table(single)
    };
    epochs.iter().map(of).collect()
}

/// The full names of the scores that a table asks for; none of one that cannot be understood.
fn names(kind: &'static ScoreKind, variant: &Value) -> Vec<String> {
    let settings = variant.as_table().and_then(|table| Settings::parse(kind, table).ok());
    settings.into_iter().flatten().map(|settings| settings.full_name(kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    fn all(scores: &Table) -> Vec<String> {
        let of = |kind: &'static ScoreKind| variants(kind, scores).into_iter().flat_map(move |one| names(kind, &one));
        REGISTRY.iter().flat_map(|kind| of(kind)).collect()
    }

    #[test]
    fn no_variant_that_was_stored_is_lost_and_none_is_there_twice() {
        let old = table("el2n = { epoch = [0, 2] }\naum = [{}, { space = \"logit\" }]\nprototypes = {}");
        let new = table("el2n = { epoch = 2 }\naum = { space = \"logit\" }\nprototypes = { metric = \"euclidean\" }");
        let merged = merged(&new, &old);
        let names = all(&merged);
        for name in ["el2n@0", "el2n@2", "aum", "aum.logit", "prototypes", "prototypes.euclidean", "loss"] {
            assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name} in {names:?}");
        }
        assert_eq!(names.iter().find(|name| name.starts_with("aum")).unwrap(), "aum.logit", "the new one comes first");
        assert_eq!(super::merged(&merged, &old), merged, "nothing is added again");
    }

    #[test]
    fn a_default_that_was_there_by_itself_stays() {
        let names = all(&merged(&table("learned = { against = \"final\" }"), &table("")));
        assert!(names.contains(&"learned".to_owned()) && names.contains(&"learned.final".to_owned()), "{names:?}");
    }
}
