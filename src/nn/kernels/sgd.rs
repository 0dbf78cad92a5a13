//! One pass over all parameters: momentum, weight decay and step together.

use super::SgdStep;
use super::real::Real;
use super::vector::{Set, Work};

/// v = momentum v + (g + decay w); w -= rate v.
pub struct Sgd<'a, R> {
    /// The parameters.
    pub weights: &'a mut [R],
    /// Their velocities.
    pub momentum: &'a mut [R],
    /// Their gradients.
    pub gradients: &'a [R],
    /// What to do.
    pub step: SgdStep,
}

#[allow(unsafe_code)]
impl<R: Real> Work<R> for Sgd<'_, R> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled with the instruction set of its caller
    unsafe fn run<S: Set<R>>(self) {
        let [rate, keep, decay] = [self.step.rate, self.step.momentum, self.step.weight_decay].map(R::from_f64);
        for ((weight, velocity), gradient) in self.weights.iter_mut().zip(self.momentum).zip(self.gradients) {
            *velocity = keep * *velocity + (*gradient + decay * *weight);
            *weight = *weight - rate * *velocity;
        }
    }
}
