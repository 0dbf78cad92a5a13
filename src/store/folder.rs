//! The folder of a study: is it one, what does it hold, and may this config go on with it?

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::examples::ExampleTable;
use super::record::ReplicateRecord;
use super::replicate::ReplicateDir;
use super::{atomic, differences};
use crate::data::{Dataset, ImageShape, Normalisation};
use crate::scores;
use crate::study::{Config, ImportedScore, Plan, ReplicateId, imported, validate};
use crate::{Error, NUMERICS, Result, VERSION};

/// `study.toml`: what the study was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyRecord {
    /// Version of the program that made it.
    pub diffscope: String,
    /// Version of the numerics.
    pub numerics: u32,
    /// Name of the data's source.
    pub source: String,
    /// BLAKE3 of the data, in hexadecimal.
    pub data_digest: String,
    /// One name per class.
    pub class_names: Vec<String>,
    /// Number of training examples; they come first.
    pub train: usize,
    /// Number of test examples.
    pub test: usize,
    /// Shape of every image; left out where there are no images.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shape: ImageShape,
    /// How pixels are normalised; left out where there are none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub normalisation: Normalisation,
    /// The config, every default written out.
    pub config: Config,
    /// Scores that came from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imported: Vec<ImportedScore>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl StudyRecord {
    /// The record of a new study with this config and data.
    pub fn new(config: &Config, data: &Dataset) -> Self {
        Self {
            diffscope: VERSION.to_owned(),
            numerics: NUMERICS,
            source: data.source.clone(),
            data_digest: data.digest.clone(),
            class_names: data.class_names.clone(),
            train: data.train,
            test: data.test(),
            shape: data.shape,
            normalisation: data.normalisation.clone(),
            config: config.clone(),
            imported: Vec::new(),
        }
    }

    /// The record of a new study whose scores come from elsewhere, on so many training examples.
    pub fn imported(name: &str, train: usize, class_names: Vec<String>) -> Self {
        Self {
            diffscope: VERSION.to_owned(),
            numerics: NUMERICS,
            source: imported::SOURCE.to_owned(),
            data_digest: String::new(),
            class_names,
            train,
            test: 0,
            shape: ImageShape::default(),
            normalisation: Normalisation::default(),
            config: Config::imported(name),
            imported: Vec::new(),
        }
    }

    /// Number of examples, training and test.
    pub fn examples(&self) -> usize {
        self.train.saturating_add(self.test)
    }
}

/// A replicate that has a folder.
#[derive(Debug, Clone)]
pub struct FoundReplicate {
    /// Its name.
    pub id: ReplicateId,
    /// Its folder.
    pub dir: ReplicateDir,
    /// `replicate.json`, or a queued replicate's where there is none yet.
    pub record: ReplicateRecord,
}

/// A study on disk.
#[derive(Debug, Clone)]
pub struct StudyFolder {
    path: PathBuf,
    record: StudyRecord,
}

impl StudyFolder {
    /// Makes a study in a new or empty folder.
    ///
    /// # Errors
    /// `Error::Usage` where the folder holds a study or anything else.
    pub fn create(path: &Path, record: &StudyRecord) -> Result<Self> {
        Self::check_place(path)?;
        std::fs::create_dir_all(path).map_err(Error::io(path))?;
        if Self::is_study(path) {
            return Err(Error::Usage(format!("{}: there is a study already; open or resume it", path.display())));
        }
        if !is_free(path)? {
            let reason = "the folder is not empty and not a study; choose another with --dir";
            return Err(Error::Usage(format!("{}: {reason}", path.display())));
        }
        let study = Self { path: path.to_path_buf(), record: record.clone() };
        study.write_record()?;
        Ok(study)
    }

    /// Goes on with the study in a folder, or makes it there, whichever of several processes comes first.
    ///
    /// # Errors
    /// As [`StudyFolder::create`] and [`StudyFolder::update`].
    pub fn open_or_create(path: &Path, record: &StudyRecord) -> Result<Self> {
        if !Self::is_study(path) {
            let made = Self::create(path, record);
            if made.is_ok() || !Self::is_study(path) {
                return made;
            }
        }
        let _lock = super::imported::lock(path);
        let mut study = Self::open(path)?;
        study.update(record)?;
        Ok(study)
    }

    /// Opens a study.
    ///
    /// # Errors
    /// A missing folder, one that is no study, or a damaged `study.toml`.
    pub fn open(path: &Path) -> Result<Self> {
        Self::check_place(path)?;
        if !path.try_exists().map_err(Error::io(path))? {
            return Err(Error::file(path, "no such folder"));
        }
        let file = path.join("study.toml");
        if !Self::is_study(path) {
            return Err(Error::file(path, "not a study: it has no study.toml"));
        }
        let text = std::fs::read_to_string(&file).map_err(Error::io(&file))?;
        let record: StudyRecord = toml::from_str(&text).map_err(|error| {
            let line =
                error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.lines().count().max(1));
            Error::file(&file, format!("line {line}: {}", error.message().trim_end()))
        })?;
        // The labels become paths: a config that was changed by hand is trusted no more than a new one.
        validate::check_record(&record.config, &record.imported)
            .map_err(|problem| Error::file(&file, problem.to_string()))?;
        Ok(Self { path: path.to_path_buf(), record })
    }

    /// Refuses a place that cannot be a folder: a file lies there, or on the way there.
    ///
    /// # Errors
    /// `Error::Usage` that names the file.
    pub fn check_place(path: &Path) -> Result<()> {
        match path.ancestors().find(|there| there.exists()).filter(|there| !there.is_dir()) {
            None => Ok(()),
            Some(file) if file == path => {
                Err(Error::Usage(format!("{}: this is a file; a study is a folder: name another", path.display())))
            }
            Some(file) => {
                let (path, file) = (path.display(), file.display());
                Err(Error::Usage(format!("{path}: {file} is a file; a study is a folder: name another")))
            }
        }
    }

    /// Whether a folder holds a study.
    pub fn is_study(path: &Path) -> bool {
        path.join("study.toml").is_file()
    }

    /// Goes on with a new config, or the same. Models, replicates and scores that it no longer names stay in the record:
    /// what they left stays visible, and nobody can bring a model back with other settings.
    ///
    /// # Errors
    /// `Error::Usage` with every difference that would mix results.
    pub fn update(&mut self, record: &StudyRecord) -> Result<()> {
        self.check(record)?;
        let mut record = record.clone();
        for old in &self.record.config.models {
            match record.config.models.iter_mut().find(|model| model.label() == old.label()) {
                Some(model) => model.replicates = model.replicates.max(old.replicates),
                None => record.config.models.push(old.clone()),
            }
        }
        record.config.scores = scores::merged(&record.config.scores, &self.record.config.scores);
        record.imported.clone_from(&self.record.imported);
        self.record = record;
        atomic::remove_leftovers(&self.path)?;
        self.write_record()
    }

    /// Whether a record may go on in this folder; nothing is changed.
    ///
    /// # Errors
    /// `Error::Usage` with every difference that would mix results.
    pub fn check(&self, record: &StudyRecord) -> Result<()> {
        let here = self.path.display();
        if self.record.config.is_imported() {
            let reason = "this study holds imported scores alone, there is nothing to train; use another --dir";
            return Err(Error::Usage(format!("{here}: {reason}")));
        }
        let foreign = imported::labels(&self.record.imported, &self.record.config);
        let taken = record.config.models.iter().find(|model| foreign.iter().any(|(label, _)| label == model.label()));
        if let Some(model) = taken {
            let label = model.label();
            let reason = format!("`{label}` has imported scores here; give the model another label");
            return Err(Error::Usage(format!("{here}: {reason}")));
        }
        let lines = differences::between(&self.record, record);
        if lines.is_empty() {
            return Ok(());
        }
        let lines = lines.join("\n  ");
        let advice = "this study was made with other settings; use another --dir for";
        Err(Error::Usage(format!("{here}: {advice}\n  {lines}")))
    }

    /// Where the study lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the study was made with.
    pub fn record(&self) -> &StudyRecord {
        &self.record
    }

    /// The whole plan of the study, with what was imported: all that can be looked at.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn plan(&self) -> Result<Plan> {
        Ok(Plan::new(&self.record.config, self.record.train)?.with_imported(&self.record.imported))
    }

    /// Goes on with other imported scores.
    pub(super) fn set_imported(&mut self, imported: Vec<ImportedScore>) -> Result<()> {
        self.record.imported = imported;
        self.write_record()
    }

    /// Writes `examples.parquet`.
    pub fn write_examples(&self, examples: &ExampleTable) -> Result<()> {
        examples.write(&self.path.join("examples.parquet"))
    }

    /// Reads `examples.parquet`.
    pub fn examples(&self) -> Result<ExampleTable> {
        let path = self.path.join("examples.parquet");
        let examples = ExampleTable::read(&path)?;
        if examples.len() != self.record.examples() || examples.train != self.record.train {
            let (found, expected) = (examples.len(), self.record.examples());
            return Err(Error::file(path, format!("holds {found} examples, study.toml says {expected}")));
        }
        Ok(examples)
    }

    /// Where the scores over a model's replicates lie.
    pub fn ensemble(&self, label: &str) -> PathBuf {
        self.path.join("ensemble").join(format!("{label}.safetensors"))
    }

    /// Where a model's imported scores lie that have one number per example.
    pub fn imported_ensemble(&self, label: &str) -> PathBuf {
        self.path.join("ensemble").join("imported").join(format!("{label}.safetensors"))
    }

    /// The folder of a replicate, whether it is there or not.
    pub fn replicate(&self, id: &ReplicateId) -> ReplicateDir {
        ReplicateDir::new(&self.path, id)
    }

    /// All replicates that have a folder, by label and index.
    pub fn replicates(&self) -> Result<Vec<FoundReplicate>> {
        let mut found = Vec::new();
        for label in folders_in(&self.path.join("replicates"))? {
            for index in folders_in(&self.path.join("replicates").join(&label))? {
                let id = index.parse().ok().map(|index| ReplicateId { label: label.clone(), index });
                // Whatever else somebody keeps there is none of ours.
                let Some(id) = id.filter(|id| format!("{:03}", id.index) == index) else { continue };
                let dir = self.replicate(&id);
                let record = dir.record()?.unwrap_or_default();
                found.push(FoundReplicate { id, dir, record });
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    fn write_record(&self) -> Result<()> {
        let path = self.path.join("study.toml");
        let text = toml::to_string(&self.record).map_err(|error| Error::file(&path, error.to_string()))?;
        atomic::write(&path, text.as_bytes())
    }
}

/// Whether a folder is empty, but for what a kill left of its very first write.
fn is_free(path: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(path).map_err(Error::io(path))? {
        if entry.map_err(Error::io(path))?.file_name() != ".study.toml.tmp" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Names of the folders in a folder; none where it is missing.
fn folders_in(path: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(path))?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::State;
    use crate::study::config::BatchSize;
    use proptest::prelude::*;

    fn record() -> StudyRecord {
        let config = "name = \"s\"\ndata = { source = \"embedded\" }\ntrain = { epochs = 2, seed = 9223372036854775807 }\n\
             scores = { aum = [{}, { space = \"logit\" }] }\n[[model]]\nname = \"resnet8\"\nreplicates = 2\n\
             optimizer = { lr = 0.3 }\n";
        StudyRecord {
            diffscope: VERSION.into(),
            numerics: NUMERICS,
            source: "embedded".into(),
            data_digest: "abc".into(),
            class_names: vec!["T-shirt/top".into(), "a \"quoted\" name".into()],
            train: 2,
            test: 1,
            shape: ImageShape { channels: 1, height: 28, width: 28 },
            normalisation: Normalisation { mean: vec![0.286_040_5], std: vec![1.0 / 3.0] },
            config: toml::from_str(config).unwrap(),
            imported: Vec::new(),
        }
    }

    #[test]
    fn a_study_is_opened_as_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/study");
        assert!(!StudyFolder::is_study(&path));
        let study = StudyFolder::create(&path, &record()).unwrap();
        assert!(StudyFolder::is_study(&path));
        assert_eq!(StudyFolder::open_or_create(&path, &record()).unwrap().record(), study.record());
        assert!(StudyFolder::open_or_create(&folder.path().join("deep"), &record()).is_err());
        assert_eq!(StudyFolder::open(&path).unwrap().record(), &record());
        assert_eq!(study.record().examples(), 3);
        assert!(StudyFolder::create(&path, &record()).unwrap_err().to_string().contains("a study already"));
    }

    #[test]
    fn a_folder_with_something_else_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| StudyFolder::open(path).unwrap_err().to_string();
        assert!(error(&folder.path().join("nowhere")).contains("nowhere: no such folder"));
        assert!(error(folder.path()).contains("not a study"));
        let file = folder.path().join("notes");
        std::fs::write(&file, b"").unwrap();
        for place in [file.clone(), file.join("deep/study")] {
            let refused = StudyFolder::create(&place, &record()).unwrap_err();
            assert_eq!((refused.to_string(), refused.exit_code()), (error(&place), 2));
            assert!(refused.to_string().contains("is a file; a study is a folder"), "{refused}");
        }
        std::fs::remove_file(file).unwrap();
        std::fs::write(folder.path().join(".study.toml.tmp"), b"half").unwrap();
        StudyFolder::create(folder.path(), &record()).unwrap();
        std::fs::write(folder.path().join("study.toml"), b"diffscope = \"1\"\nnumerics = \"x\"\n").unwrap();
        let damaged = error(folder.path());
        assert!(damaged.contains("study.toml") && damaged.contains("line 2"), "{damaged}");
        std::fs::remove_file(folder.path().join("study.toml")).unwrap();
        std::fs::write(folder.path().join("thesis.tex"), b"").unwrap();
        let error = StudyFolder::create(folder.path(), &record()).unwrap_err();
        assert!(error.to_string().contains("not empty") && error.to_string().contains("not a study"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn an_update_that_would_mix_results_is_refused_and_others_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut study = StudyFolder::create(folder.path(), &record()).unwrap();
        let mut more = record();
        more.config.models[0].replicates = 5;
        study.update(&more).unwrap();
        assert_eq!(StudyFolder::open(folder.path()).unwrap().record().config.models[0].replicates, 5);
        let mut others = record();
        others.config.models[0].label = Some("other".into());
        study.update(&others).unwrap();
        more.config.models = vec![others.config.models[0].clone(), more.config.models[0].clone()];
        assert_eq!(StudyFolder::open(folder.path()).unwrap().record(), &more);
        let mut other = StudyRecord { numerics: NUMERICS + 1, data_digest: "def".into(), ..more.clone() };
        other.config.train.batch_size = BatchSize::Examples(77);
        let error = study.update(&other).unwrap_err().to_string();
        for expected in ["train.batch_size: 128 -> 77", "abc -> def", "numerics version: 1 -> 2", "--dir"] {
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
        assert_eq!(StudyFolder::open(folder.path()).unwrap().record(), &more);
    }

    #[test]
    fn replicates_are_found_in_order_and_strangers_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let study = StudyFolder::create(folder.path(), &record()).unwrap();
        assert!(study.replicates().unwrap().is_empty());
        for (label, index) in [("b", 1), ("a", 1000), ("a", 2)] {
            let dir = study.replicate(&ReplicateId { label: label.into(), index });
            dir.write_record(&ReplicateRecord { state: State::Finished, ..ReplicateRecord::default() }).unwrap();
        }
        for stranger in ["a/notes", "a/7", "a/+03", ".cache"] {
            std::fs::create_dir_all(folder.path().join("replicates").join(stranger)).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("replicates/b/000")).unwrap();
        let found = study.replicates().unwrap();
        let names: Vec<String> = found.iter().map(|found| found.id.to_string()).collect();
        assert_eq!(names, ["a/002", "a/1000", "b/000", "b/001"]);
        assert_eq!((found[0].record.state, found[2].record.state), (State::Finished, State::Queued));
    }

    #[test]
    fn examples_that_are_not_those_of_the_study_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let study = StudyFolder::create(folder.path(), &record()).unwrap();
        let examples = |train| ExampleTable {
            ids: vec![3, 5, 60_000],
            labels: vec![1, 0, 1],
            given_labels: vec![1, 1, 1],
            train,
            source: "embedded".into(),
        };
        study.write_examples(&examples(2)).unwrap();
        assert_eq!(study.examples().unwrap(), examples(2));
        study.write_examples(&examples(1)).unwrap();
        assert!(study.examples().unwrap_err().to_string().contains("examples.parquet"));
    }

    proptest! {
        #[test]
        fn a_damaged_study_toml_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
            let folder = tempfile::tempdir().unwrap();
            StudyFolder::create(folder.path(), &record()).unwrap();
            let path = folder.path().join("study.toml");
            let mut bytes = std::fs::read(&path).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            std::fs::write(&path, bytes).unwrap();
            let _ = StudyFolder::open(folder.path());
        }
    }
}
