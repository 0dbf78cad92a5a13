//! How much does each pixel's saliency vary over checkpoints? Running moments in f32 (Welford), so that no gradient of an
//! earlier checkpoint is kept.
//!
//! A [`Need`] for saliency has a mean and a sum of squared deviations per example and pixel from its first epoch to its last:
//! 8 bytes each. 60,000 examples of 32 x 32 pixels take 492 MB per need under way; needs of the stages `all` and `late` overlap
//! at the end of training (983 MB together), `early` is closed after epoch 3.

use std::path::Path;

use crate::data::ImageShape;
use crate::scores::{Need, Pass, ScoreSpec};
use crate::store::npy::{self, Dtype, Npy};
use crate::study::Timetable;
use crate::{Error, Result};

/// The moments under way in one replicate.
#[derive(Debug, Default)]
pub struct Moments {
    active: Vec<Running>,
    /// The epoch whose end changed them last.
    changed: u32,
    /// The epoch whose state the stored file holds.
    stored: Option<u32>,
}

/// The moments of one need.
#[derive(Debug)]
struct Running {
    need: Need,
    folded: u32,
    mean: Vec<f32>,
    squares: Vec<f32>,
}

impl Running {
    fn new(need: Need, values: usize) -> Self {
        Self { need, folded: 0, mean: vec![0.0; values], squares: vec![0.0; values] }
    }

    /// Folds the maps of some examples in, `from` values from the start.
    fn fold(&mut self, from: usize, maps: &[f32]) {
        let share = 1.0 / (self.folded + 1) as f32;
        let range = from..from + maps.len();
        let (Some(mean), Some(squares)) = (self.mean.get_mut(range.clone()), self.squares.get_mut(range)) else {
            return;
        };
        for ((mean, squares), map) in mean.iter_mut().zip(squares).zip(maps) {
            let before = map - *mean;
            *mean += before * share;
            *squares += before * (map - *mean);
        }
    }
}

/// Sums of squared deviations as population variances, in their place.
fn variances(mut squares: Vec<f32>, count: u32) -> Vec<f32> {
    let share = 1.0 / count.max(1) as f32;
    for squares in &mut squares {
        *squares *= share;
    }
    squares
}

/// A need as the name that files know it by.
fn key(need: &Need) -> String {
    format!("{:?} after {:?}", need.pass, need.after)
}

impl Moments {
    /// Gets ready for the maps of a pass after an epoch.
    pub fn begin(&mut self, specs: &[ScoreSpec], timetable: &Timetable, pass: Pass, epoch: u32, values: usize) {
        let needs = specs.iter().flat_map(|spec| spec.needs(timetable));
        for need in needs.filter(|need| need.pass == pass && need.after.first() == Some(&epoch)) {
            // One that can never end would hold its memory for nothing.
            if need.is_met(timetable.epochs) && self.active.iter().all(|running| running.need != need) {
                self.active.push(Running::new(need, values));
            }
        }
        self.changed = epoch;
    }

    /// Folds the maps of some examples into every need that wants them, `from` values from the start.
    pub fn fold(&mut self, pass: Pass, epoch: u32, from: usize, maps: &[f32]) {
        self.wanting(pass, epoch).for_each(|running| running.fold(from, maps));
    }

    /// Counts the epoch, now that every example's maps were folded; the population variances of the needs that it ends.
    pub fn end(&mut self, pass: Pass, epoch: u32) -> Vec<(Need, Vec<f32>)> {
        self.wanting(pass, epoch).for_each(|running| running.folded += 1);
        let ends = |running: &mut Running| running.need.pass == pass && running.need.after.last() == Some(&epoch);
        let ended: Vec<Running> = self.active.extract_if(.., ends).collect();
        ended.into_iter().map(|running| (running.need, variances(running.squares, running.folded))).collect()
    }

    fn wanting(&mut self, pass: Pass, epoch: u32) -> impl Iterator<Item = &mut Running> {
        self.active.iter_mut().filter(move |running| running.need.pass == pass && running.need.after.contains(&epoch))
    }

    /// Writes the moments beside the checkpoint that will name them, where they changed; what that checkpoint must say.
    pub fn store(&mut self, folder: &Path) -> Result<serde_json::Value> {
        let Some(first) = self.active.first() else { return Ok(serde_json::Value::Null) };
        if self.stored != Some(self.changed) {
            let path = file(folder, self.changed);
            crate::store::atomic::remove(&path)?;
            let array = npy::create(&path, Dtype::F32, &[2 * self.active.len(), first.mean.len()])?;
            let rows = self.active.iter().flat_map(|running| [&running.mean, &running.squares]);
            rows.enumerate().try_for_each(|(row, values)| array.write_row(row, values))?;
            array.sync()?;
            self.stored = Some(self.changed);
        }
        let needs = self.active.iter().map(|running| serde_json::json!([key(&running.need), running.folded]));
        Ok(serde_json::json!({"epoch": self.changed, "needs": needs.collect::<Vec<_>>()}))
    }

    /// Takes the moments up again where the checkpoint left them.
    ///
    /// # Errors
    /// A file of moments that is missing or not what the checkpoint says.
    pub fn restore(
        folder: &Path,
        said: &serde_json::Value,
        specs: &[ScoreSpec],
        timetable: &Timetable,
    ) -> Result<Self> {
        let Some(epoch) = said["epoch"].as_u64().and_then(|epoch| u32::try_from(epoch).ok()) else {
            return Ok(Self::default());
        };
        let path = file(folder, epoch);
        let array = Npy::open(&path)?;
        let mut active = Vec::new();
        let known: Vec<Need> = specs.iter().flat_map(|spec| spec.needs(timetable)).collect();
        for (place, entry) in said["needs"].as_array().into_iter().flatten().enumerate() {
            // A score that is asked for no longer leaves its moments behind.
            let Some(need) = known.iter().find(|need| entry[0].as_str() == Some(&key(need))) else { continue };
            let folded = entry[1].as_u64().and_then(|folded| u32::try_from(folded).ok());
            let folded = folded.ok_or_else(|| Error::file(&path, "the checkpoint does not say how much it holds"))?;
            let (mean, squares) = (array.row(2 * place)?, array.row(2 * place + 1)?);
            active.push(Running { need: need.clone(), folded, mean, squares });
        }
        Ok(Self { active, changed: epoch, stored: Some(epoch) })
    }

    /// Bytes of the moments of the needs of some scores, where most of them are under way at once.
    pub fn most_bytes(specs: &[ScoreSpec], timetable: &Timetable, examples: usize, shape: ImageShape) -> u64 {
        let mut needs: Vec<Need> = specs.iter().flat_map(|spec| spec.needs(timetable)).collect();
        needs.retain(|need| matches!(need.pass, Pass::Saliency { .. }) && need.is_met(timetable.epochs));
        let mut distinct: Vec<&Need> = Vec::new();
        for need in &needs {
            if !distinct.contains(&need) {
                distinct.push(need);
            }
        }
        let runs = |need: &Need, epoch| need.after.first() <= Some(&epoch) && Some(&epoch) <= need.after.last();
        let epochs = needs.iter().flat_map(|need| need.after.clone());
        let most = epochs.map(|epoch| distinct.iter().filter(|need| runs(need, epoch)).count()).max().unwrap_or(0);
        (most * 8 * examples * shape.height * shape.width) as u64
    }
}

fn file(folder: &Path, epoch: u32) -> std::path::PathBuf {
    folder.join(format!("moments.{epoch}.npy"))
}

/// Deletes the files of moments but for the one that the checkpoint names.
///
/// # Errors
/// A folder that cannot be read or written.
pub fn sweep(folder: &Path, said: &serde_json::Value) -> Result<()> {
    let kept = said["epoch"].as_u64().and_then(|epoch| u32::try_from(epoch).ok()).map(|epoch| file(folder, epoch));
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let is_array = path.extension().is_some_and(|extension| extension == "npy");
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_array && name.starts_with("moments.") && Some(&path) != kept.as_ref() {
            crate::store::atomic::remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::{Conditions, resolve};

    fn specs() -> Vec<ScoreSpec> {
        let text = "vog = [{ every = 2 }, { stage = 'late' }, { stage = 'early' }, { every = 2, reduce = 'pooled' }]";
        let mut specs = resolve(&text.parse().unwrap(), Conditions::default()).unwrap();
        specs.retain(|spec| spec.base() == "vog");
        specs
    }

    /// The maps of two examples of three pixels after an epoch.
    fn maps(epoch: u32) -> Vec<f32> {
        (0..6).map(|at| ((at * epoch + epoch * epoch) as f32 * 0.37).sin() + 100.0).collect()
    }

    fn run(moments: &mut Moments, epochs: std::ops::RangeInclusive<u32>, taken: &mut Vec<(Need, Vec<f32>)>) {
        let (specs, timetable) = (specs(), Timetable::of_epochs(6, 1));
        let pass = specs[0].needs(&timetable)[0].pass;
        for epoch in epochs {
            moments.begin(&specs, &timetable, pass, epoch, 6);
            let maps = maps(epoch);
            moments.fold(pass, epoch, 0, &maps[..3]);
            moments.fold(pass, epoch, 3, &maps[3..]);
            taken.extend(moments.end(pass, epoch));
        }
    }

    #[test]
    fn variances_are_those_of_the_maps_at_each_need_s_epochs() {
        let (mut moments, mut taken) = (Moments::default(), Vec::new());
        run(&mut moments, 1..=6, &mut taken);
        let schedules: Vec<_> = taken.iter().map(|(need, _)| need.after.clone()).collect();
        assert_eq!(
            schedules,
            [vec![1, 2, 3], vec![2, 4, 6], vec![4, 5, 6]],
            "two scores of one need share its moments"
        );
        for (need, variances) in taken {
            for (at, variance) in variances.iter().enumerate() {
                let values: Vec<f64> = need.after.iter().map(|epoch| f64::from(maps(*epoch)[at])).collect();
                let mean = values.iter().sum::<f64>() / 3.0;
                let exact = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 3.0;
                assert!((f64::from(*variance) - exact).abs() < 1e-4 * exact.max(0.1), "{variance} {exact}");
            }
        }
        assert!(moments.active.is_empty());
    }

    #[test]
    fn stored_moments_go_on_to_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let (mut whole, mut expected) = (Moments::default(), Vec::new());
        run(&mut whole, 1..=6, &mut expected);
        let (mut first, mut taken) = (Moments::default(), Vec::new());
        run(&mut first, 1..=4, &mut taken);
        let said = first.store(folder.path()).unwrap();
        sweep(folder.path(), &said).unwrap();
        let mut second = Moments::restore(folder.path(), &said, &specs(), &Timetable::of_epochs(6, 1)).unwrap();
        run(&mut second, 5..=6, &mut taken);
        assert_eq!(taken, expected);
        sweep(folder.path(), &serde_json::Value::Null).unwrap();
        assert!(Moments::restore(folder.path(), &said, &specs(), &Timetable::of_epochs(6, 1)).is_err());
    }

    #[test]
    fn all_stages_at_cifar_size_stay_below_a_gigabyte_and_a_half() {
        let shape = ImageShape { channels: 3, height: 32, width: 32 };
        let bytes = Moments::most_bytes(&specs(), &Timetable::of_epochs(350, 390), 60_000, shape);
        assert_eq!(bytes, 2 * 60_000 * 1024 * 8);
    }
}
