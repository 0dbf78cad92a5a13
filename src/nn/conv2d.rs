//! Convolution in two dimensions: without bias where a norm follows, its weights standardised where asked for.

use super::kernels::{Conv, Input};
use super::{Init, Kernels, Layer, Mode, Plan, Shape, Step, Want};
use crate::{Error, Result};

/// A square convolution with stride and zero padding.
#[derive(Debug, Clone, Copy)]
pub struct Conv2d {
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    biased: bool,
    standardised: bool,
    conv: Option<Conv>,
}

impl Conv2d {
    /// `outputs` channels from windows of `kernel` x `kernel`.
    pub fn new(outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        Self { outputs, kernel, stride, padding, biased: false, standardised: false, conv: None }
    }

    /// With a bias, for networks without norms.
    #[must_use]
    pub fn biased(self) -> Self {
        Self { biased: true, ..self }
    }

    /// With weight standardisation (Qiao et al. 2019): each output's weights minus their mean, over the root of their
    /// population variance plus 1e-5.
    #[must_use]
    pub fn standardised(self) -> Self {
        Self { standardised: true, ..self }
    }

    fn planned(&self) -> Result<&Conv> {
        self.conv.as_ref().ok_or_else(|| Error::Failed("a convolution was used before it was planned".into()))
    }

    /// Windows along one side of the input.
    fn windows(&self, side: usize) -> Result<usize, String> {
        let padded = self.padding.checked_mul(2).and_then(|both| both.checked_add(side)).unwrap_or(0);
        match padded.checked_sub(self.kernel) {
            Some(room) if self.stride > 0 && self.kernel > 0 => Ok(room / self.stride + 1),
            _ => Err(format!(
                "a {0}x{0} window with stride {1} and padding {2} does not fit a side of {side}",
                self.kernel, self.stride, self.padding
            )),
        }
    }
}

impl<K: Kernels> Layer<K> for Conv2d {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        let output = Shape::new(self.outputs, self.windows(input.height)?, self.windows(input.width)?)?;
        let shape = [self.outputs, input.channels, self.kernel, self.kernel];
        let fan_in = input.channels * self.kernel * self.kernel;
        if self.standardised && fan_in == 1 {
            return Err("weight standardisation makes a single weight per output 0, whatever it is".into());
        }
        let weight = plan.parameter("weight", &shape, Init::Kaiming { fan_in })?;
        let bias = self.biased.then(|| plan.parameter("bias", &[self.outputs], Init::Zero)).transpose()?;
        let (kernel, stride, padding, standardised) = (self.kernel, self.stride, self.padding, self.standardised);
        self.conv = Some(Conv { input, output, kernel, stride, padding, weight, bias, standardised });
        Ok(output)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        let y = step.kernels.conv(self.planned()?, step.mode() == Mode::Train, &step.arenas.weights, &x)?;
        if step.tapes() {
            step.push(x);
        }
        Ok(y)
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        self.gradients(step, &dy, want, if want.input { Input::Wanted } else { Input::Unwanted })
    }

    fn backward_onto(&self, step: &mut Step<K>, dy: K::Buf, want: Want, onto: K::Buf) -> Result<K::Buf> {
        let dx = self.gradients(step, &dy, want, Input::Onto(onto))?;
        dx.ok_or_else(|| Error::Failed("a convolution gave no input gradient".into()))
    }
}

impl Conv2d {
    fn gradients<K: Kernels>(
        &self,
        step: &mut Step<K>,
        dy: &K::Buf,
        want: Want,
        input: Input<K::Buf>,
    ) -> Result<Option<K::Buf>> {
        let x = step.pop()?;
        let (kernels, arenas, sink) = step.parts(want);
        kernels.conv_backward(self.planned()?, &arenas.weights, &x, dy, input, sink)
    }
}
