//! Two clouds of points in the plane: the toy of Agarwal et al. (2022, section 2.1), where the hard examples are those near the boundary.
//!
//! The paper gives neither centres nor spread: here two isotropic normal distributions of standard deviation 1 around (-1.5, -1.5)
//! and (1.5, 1.5), a class each, by turns; 1,000 training and 1,000 test points, the same for every study. A point is an "image"
//! of one channel and 1 x 2 values, and what a network sees are its coordinates.

use super::{Dataset, ImageShape};
use crate::random::Key;
use crate::{Error, Result};

/// Points of each part.
const POINTS: usize = 1000;
/// Both coordinates of the second class's centre; the first one's are the negative.
const CENTRE: f64 = 1.5;

/// The toy.
///
/// # Errors
/// None that can happen: the parts fit together.
pub fn dataset() -> Result<Dataset> {
    let mut stream = Key::study(0).stream("toy points");
    let labels: Vec<u16> = (0..2 * POINTS).map(|point| (point % 2) as u16).collect();
    let mut draw = |label: &u16| {
        let centre = if *label == 0 { -CENTRE } else { CENTRE };
        [centre + stream.normal(), centre + stream.normal()].map(|value| value as f32)
    };
    let values = labels.iter().flat_map(&mut draw).collect();
    let shape = ImageShape { channels: 1, height: 1, width: 2 };
    let names = vec!["lower left".to_owned(), "upper right".to_owned()];
    Dataset::of_values("toy", names, shape, values, labels, POINTS).map_err(Error::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clouds_are_where_they_should_be_and_of_unit_spread() {
        let toy = dataset().unwrap();
        assert_eq!((toy.train, toy.test(), toy.classes()), (POINTS, POINTS, 2));
        for class in 0..2 {
            let points: Vec<&[f32]> =
                (0..toy.len()).filter(|at| usize::from(toy.labels[*at]) == class).map(|at| toy.values(at)).collect();
            for axis in 0..2 {
                let values: Vec<f64> = points.iter().map(|point| f64::from(point[axis])).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let spread =
                    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
                let centre = if class == 0 { -CENTRE } else { CENTRE };
                assert!((mean - centre).abs() < 0.15 && (spread - 1.0).abs() < 0.1, "{mean} {spread}");
            }
        }
    }
}
