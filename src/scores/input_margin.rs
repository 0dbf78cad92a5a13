//! How far is the image from the nearest decision boundary? The margin of the input, by the linear approximation.

use super::at_epoch::{PASS, at_epoch};
use super::grand::first;
use super::{Harder, Need, Pass, ScoreKind};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "input_margin",
    harder: Harder::Low,
    citation: "Baldock et al. 2021, section 3.3 (after Jiang et al. 2018)",
    definition: "smallest |z_i - z_j| / Euclidean norm of the gradient of z_i - z_j with respect to the image, over the classes \
                 j other than the predicted class i, of the network at the end of training; eval mode, plain input, in units \
                 of the normalised image (pixel / 255 less its channel's mean over the source's training images, divided by \
                 its channel's standard deviation; both stand in study.toml under normalisation; points are taken as they \
                 are); a class whose gradient is 0 has no boundary: where all are, it does not exist",
    settings: &[],
    needs: |_, timetable| vec![Need::at(Pass::InputMargins, timetable.epochs)],
    observer: |_, sizes| at_epoch(Pass::InputMargins, sizes.timetable.epochs, sizes, |row, _| first(row)),
    ..PASS
};
