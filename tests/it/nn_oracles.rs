//! Every layer, and networks of odd sizes, against central differences in f64.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail as tests do

use diffscope::data::ImageShape;
use diffscope::models;
use diffscope::nn::kernels::{InstructionSet, SgdStep};
use diffscope::nn::{
    AnyNorm, BatchNorm, Conv2d, CpuKernels, Flatten, GroupNorm, Kernels, Layer, Linear, MaxPool, MeanPool, Mode,
    Network, Relu, Residual, Sequence, Shape, Step, Want,
};
use diffscope::random::Key;
use proptest::prelude::*;

pub(crate) type Oracle = CpuKernels<f64>;

pub(crate) fn normals(count: usize, purpose: &str) -> Vec<f64> {
    let mut stream = Key::study(1).stream(purpose);
    (0..count).map(|_| stream.normal()).collect()
}

/// What one backward gave.
pub(crate) struct Gradients {
    pub(crate) weights: Vec<f64>,
    pub(crate) squared_norms: Vec<f64>,
    pub(crate) input: Vec<f64>,
}

/// A network in f64 with weights and statistics that are nowhere special.
pub(crate) struct Rig {
    pub(crate) network: Network<Oracle>,
    pub(crate) step: Step<Oracle>,
    pub(crate) weights: Vec<f64>,
    pub(crate) statistics: Vec<f64>,
}

impl Rig {
    pub(crate) fn new(network: Network<Oracle>) -> Self {
        Self::with(InstructionSet::detect(), network)
    }

    fn with(set: InstructionSet, network: Network<Oracle>) -> Self {
        let step = Step::new(Oracle::with(set), network.layout()).unwrap();
        let weights = normals(network.layout().parameter_count(), "weights").iter().map(|w| 0.5 * w).collect();
        let statistics = normals(network.layout().statistic_count(), "statistics");
        let statistics = statistics.iter().map(|value| 0.5 + value.abs()).collect();
        Self { network, step, weights, statistics }
    }

    fn of(layers: Sequence<Oracle>, input: Shape) -> Self {
        Self::new(Network::new(layers, input).unwrap())
    }

    fn layer(layer: impl Layer<Oracle> + 'static, input: Shape) -> Self {
        Self::of(Sequence::default().with("layer", layer), input)
    }

    /// Checks a layer with every instruction set of this processor.
    fn check_everywhere<L: Layer<Oracle> + 'static>(layer: impl Fn() -> L, input: Shape, batch: usize, most: usize) {
        for set in InstructionSet::available() {
            let network = Network::new(Sequence::default().with("layer", layer()), input).unwrap();
            Self::with(set, network).check(batch, most);
        }
    }

    pub(crate) fn output(&mut self, mode: Mode, x: &[f64]) -> Vec<f64> {
        self.step.kernels.write_arena(&self.step.arenas.weights, &self.weights).unwrap();
        self.step.kernels.write_arena(&self.step.arenas.statistics, &self.statistics).unwrap();
        let x = self.step.kernels.upload(self.network.input(), x).unwrap();
        let y = self.network.forward(&mut self.step, mode, x).unwrap();
        let mut values = Vec::new();
        self.step.kernels.download(self.network.output(), &y, &mut |host| values.extend_from_slice(host)).unwrap();
        values
    }

    pub(crate) fn gradients(&mut self, mode: Mode, x: &[f64], dy: &[f64], want: Want) -> Gradients {
        self.output(mode, x);
        let dy = self.step.kernels.upload(self.network.output(), dy).unwrap();
        let dx = self.network.backward(&mut self.step, dy, want).unwrap();
        assert_eq!(dx.is_some(), want.input);
        let mut found = Gradients { weights: Vec::new(), squared_norms: Vec::new(), input: Vec::new() };
        let norms = self.step.squared_norms().cloned();
        let Step { kernels, arenas, .. } = &mut self.step;
        kernels.read_arena(&arenas.gradients, &mut |host| found.weights.extend_from_slice(host)).unwrap();
        if let Some(norms) = norms {
            kernels.read_arena(&norms, &mut |host| found.squared_norms.extend_from_slice(host)).unwrap();
        }
        if let Some(dx) = dx {
            kernels.download(self.network.input(), &dx, &mut |host| found.input.extend_from_slice(host)).unwrap();
        }
        found
    }

    /// d(dy . y) / d(value) by central differences, for the places of one of weights and input.
    fn differences(&mut self, mode: Mode, x: &[f64], dy: &[f64], of_input: bool, places: &[usize]) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let mut x = x.to_vec();
        let mut at = |rig: &mut Self, place: usize, change: f64| {
            let target = if of_input { &mut x } else { &mut rig.weights };
            let kept = target[place];
            target[place] = kept + change;
            let y = rig.output(mode, &x);
            let target = if of_input { &mut x } else { &mut rig.weights };
            target[place] = kept;
            y.iter().zip(dy).map(|(y, dy)| y * dy).sum::<f64>()
        };
        places.iter().map(|place| (at(self, *place, STEP) - at(self, *place, -STEP)) / (2.0 * STEP)).collect()
    }

    /// Checks all four uses of backward in both taped modes, at up to `most` places each.
    fn check(&mut self, batch: usize, most: usize) {
        let x = normals(batch * self.network.input().len(), "input");
        let dy = normals(batch * self.network.output().len(), "output gradient");
        for mode in [Mode::Train, Mode::EvalTaped] {
            let found = self.gradients(mode, &x, &dy, Want { weights: true, norms: false, input: true });
            for (values, of_input) in [(&found.weights, false), (&found.input, true)] {
                let places = spread(values.len(), most);
                let own: Vec<f64> = places.iter().map(|place| values[*place]).collect();
                let expected = self.differences(mode, &x, &dy, of_input, &places);
                assert_near(&own, &expected, 1e-6, &format!("{mode:?}, input: {of_input}"));
            }
            let alone = self.gradients(mode, &x, &dy, Want::WEIGHTS);
            assert_eq!(alone.weights, found.weights, "{mode:?}: weights alone");
            assert_eq!(self.gradients(mode, &x, &dy, Want::INPUT).input, found.input, "{mode:?}: input alone");
        }
        self.check_norms(batch, &x, &dy);
    }

    /// Each example's squared norm is that of a batch with nobody else in it.
    fn check_norms(&mut self, batch: usize, x: &[f64], dy: &[f64]) {
        let want = Want { weights: true, norms: true, input: true };
        let together = self.gradients(Mode::EvalTaped, x, dy, want);
        let only = self.gradients(Mode::EvalTaped, x, dy, Want::NORMS);
        assert_eq!(only.squared_norms, together.squared_norms);
        let (input, output) = (self.network.input().len(), self.network.output().len());
        let mut sum = vec![0.0; self.weights.len()];
        for example in 0..batch {
            let (x, dy) = (&x[example * input..][..input], &dy[example * output..][..output]);
            let own = self.gradients(Mode::EvalTaped, x, dy, Want::WEIGHTS).weights;
            let squared: f64 = own.iter().map(|gradient| gradient * gradient).sum();
            assert_near(&[together.squared_norms[example]], &[squared], 1e-9, "squared norm");
            sum.iter_mut().zip(&own).for_each(|(sum, gradient)| *sum += gradient);
        }
        assert_near(&together.weights, &sum, 1e-9, "sum over examples");
    }
}

/// Up to `most` places, evenly over `len`.
fn spread(len: usize, most: usize) -> Vec<usize> {
    let count = len.min(most);
    (0..count).map(|index| index * len / count).collect()
}

pub(crate) fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3_f64, |largest, value| largest.max(value.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / scale;
        assert!(error < tolerance, "{what}: {found} instead of {expected} at {place} (relative {error:.1e})");
    }
}

fn shape(channels: usize, height: usize, width: usize) -> Shape {
    Shape::new(channels, height, width).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn convolutions_of_any_shape_match_central_differences(
        (inputs, outputs) in (1_usize..4, 1_usize..6),
        (height, width) in (1_usize..9, 1_usize..9),
        (kernel, stride, padding) in (1_usize..6, 1_usize..4, 0_usize..3),
        batch in 1_usize..4,
        biased: bool,
    ) {
        let conv = Conv2d::new(outputs, kernel, stride, padding);
        let layers = Sequence::default().with("conv", if biased { conv.biased() } else { conv });
        match Network::new(layers, shape(inputs, height, width)) {
            Ok(network) => Rig::new(network).check(batch, 20),
            Err(reason) => {
                prop_assert!(kernel > height + 2 * padding || kernel > width + 2 * padding, "{reason}");
            }
        }
    }

    #[test]
    fn standardised_convolutions_match_central_differences_through_the_standardisation(
        (inputs, outputs) in (1_usize..9, 1_usize..20),
        (height, width) in (2_usize..7, 2_usize..7),
        (kernel, stride) in prop_oneof![Just((1_usize, 2_usize)), Just((3, 1)), Just((3, 2)), Just((5, 1))],
        biased: bool,
        batch in 1_usize..4,
    ) {
        let conv = Conv2d::new(outputs, kernel, stride, kernel / 2).standardised();
        let conv = if biased { conv.biased() } else { conv };
        match Network::<Oracle>::new(Sequence::default().with("conv", conv), shape(inputs, height, width)) {
            Ok(_) => Rig::check_everywhere(|| conv, shape(inputs, height, width), batch, 30),
            Err(reason) => prop_assert!(inputs * kernel * kernel == 1, "{reason}"),
        }
    }

    #[test]
    fn group_norms_of_any_shape_match_central_differences(
        (channels, height, width) in (1_usize..80, 2_usize..5, 2_usize..5),
        batch in 1_usize..4,
    ) {
        Rig::check_everywhere(GroupNorm::new, shape(channels, height, width), batch, 30);
    }

    #[test]
    fn batch_norms_with_and_without_relu_match_central_differences(
        (channels, height, width) in (1_usize..5, 1_usize..6, 1_usize..6),
        batch in 2_usize..5,
        relu: bool,
    ) {
        let norm = if relu { BatchNorm::with_relu() } else { BatchNorm::new() };
        Rig::layer(norm, shape(channels, height, width)).check(batch, 30);
    }

    #[test]
    fn pools_match_central_differences(
        (channels, height, width) in (1_usize..4, 1_usize..9, 1_usize..9),
        side in 1_usize..5,
        batch in 1_usize..4,
    ) {
        Rig::layer(MaxPool::new(side), shape(channels, height, width)).check(batch, 40);
        Rig::layer(MeanPool::default(), shape(channels, height, width)).check(batch, 40);
    }

    #[test]
    fn dense_layers_match_central_differences(inputs in 1_usize..40, outputs in 1_usize..20, batch in 1_usize..6) {
        Rig::layer(Linear::new(outputs), shape(inputs, 1, 1)).check(batch, 20);
        Rig::layer(Relu, shape(inputs, 1, 1)).check(batch, 20);
    }

    #[test]
    fn residual_blocks_match_central_differences(
        (inputs, width, side) in (1_usize..4, 1_usize..4, 2_usize..7),
        projected: bool,
        batch in 1_usize..4,
    ) {
        let (outputs, stride) = if projected { (width, 2) } else { (inputs, 1) };
        let body = Sequence::default()
            .with("conv1", Conv2d::new(outputs, 3, stride, 1))
            .with("bn1", BatchNorm::with_relu())
            .with("conv2", Conv2d::new(outputs, 3, 1, 1));
        let shortcut = Sequence::default().with("0", Conv2d::new(outputs, 1, stride, 0)).with("1", BatchNorm::new());
        Rig::layer(Residual::new(body, "bn2", BatchNorm::with_relu(), projected.then_some(shortcut)), shape(inputs, side, side + 1)).check(batch, 12);
    }
}

// Fixed shapes: a perturbation that happens to cross a ReLU's kink would spoil the differences of a random one.
#[test]
fn group_norms_with_relu_match_central_differences() {
    for (channels, height, width, batch) in [(1, 4, 3, 2), (7, 3, 3, 3), (33, 2, 3, 2), (48, 3, 2, 1), (64, 2, 2, 3)] {
        Rig::check_everywhere(GroupNorm::with_relu, shape(channels, height, width), batch, 30);
    }
}

/// A residual block of standardised convolutions and group norms.
fn grouped_block(outputs: usize, stride: usize, projected: bool) -> Residual<Oracle> {
    let conv = |kernel, stride| Conv2d::new(outputs, kernel, stride, kernel / 2).standardised();
    let body = Sequence::default()
        .with("conv1", conv(3, stride))
        .with("bn1", GroupNorm::with_relu())
        .with("conv2", conv(3, 1));
    let shortcut = Sequence::default().with("0", conv(1, stride)).with("1", GroupNorm::new());
    Residual::new(body, "bn2", GroupNorm::with_relu(), projected.then_some(shortcut))
}

#[test]
fn residual_blocks_with_group_norm_match_central_differences() {
    for (inputs, outputs, stride, side) in [(3, 3, 1, 4), (6, 6, 1, 5), (3, 5, 2, 7), (2, 40, 2, 6), (34, 34, 1, 3)] {
        let block = || grouped_block(outputs, stride, stride == 2);
        Rig::check_everywhere(block, shape(inputs, side, side + 1), 2, 16);
    }
}

#[test]
fn a_group_norm_leaves_mean_0_and_variance_1_in_every_group_of_every_example() {
    let mut rig = Rig::layer(AnyNorm::from(GroupNorm::new()), shape(64, 3, 4));
    let (weights, biases) = rig.weights.split_at_mut(64);
    weights.fill(1.0);
    biases.fill(0.0);
    let x: Vec<f64> = normals(2 * 64 * 12, "groups").iter().map(|value| 5.0 + 3.0 * value).collect();
    for mode in [Mode::Train, Mode::Eval] {
        for group in rig.output(mode, &x).chunks_exact(2 * 12) {
            let mean = group.iter().sum::<f64>() / 24.0;
            let variance = group.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 24.0;
            assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-4, "{mode:?}: {mean} {variance}");
        }
    }
}

#[test]
fn standardised_weights_forget_scale_and_shift_of_each_output() {
    let mut rig = Rig::layer(Conv2d::new(3, 3, 1, 1).standardised().biased(), shape(2, 5, 4));
    let x = normals(40, "standard");
    let before = rig.output(Mode::Eval, &x);
    for (output, weights) in rig.weights[..54].chunks_exact_mut(18).enumerate() {
        for weight in weights {
            *weight = *weight * (2.0 + output as f64) - 7.0;
        }
    }
    // The 1e-5 beside the variance is all that may show.
    assert_near(&rig.output(Mode::Eval, &x), &before, 1e-4, "output");
}

#[test]
fn a_flattened_image_keeps_its_order_and_its_gradient() {
    let mut rig = Rig::of(Sequence::default().with("", Flatten::default()).with("fc", Linear::new(3)), shape(2, 3, 4));
    rig.check(2, 30);
    let x = normals(24, "flat");
    let mut flat = Rig::layer(Flatten::default(), shape(2, 3, 4));
    assert_eq!(flat.output(Mode::Eval, &x), x);
}

#[test]
fn relu_keeps_nan_visible_and_closes_at_zero() {
    let mut rig = Rig::layer(Relu, shape(4, 1, 1));
    let y = rig.output(Mode::Eval, &[f64::NAN, -1.0, 0.0, 2.0]);
    assert!(y[0].is_nan() && y[1..] == [0.0, 0.0, 2.0]);
    assert_eq!(
        rig.gradients(Mode::EvalTaped, &[3.0, -1.0, 0.0, 2.0], &[1.0; 4], Want::INPUT).input,
        [1.0, 0.0, 0.0, 1.0]
    );
}

#[test]
fn a_max_pool_window_over_the_edge_is_cut_and_ties_go_to_the_first() {
    let mut rig = Rig::layer(MaxPool::new(2), shape(1, 3, 3));
    let x = [1.0, 1.0, 5.0, 0.0, 1.0, 4.0, -3.0, -2.0, -9.0];
    assert_eq!(rig.output(Mode::Eval, &x), [1.0, 5.0, -2.0, -9.0]);
    let dx = rig.gradients(Mode::EvalTaped, &x, &[1.0, 2.0, 3.0, 4.0], Want::INPUT).input;
    assert_eq!(dx, [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 4.0]);
}

#[test]
fn norms_are_refused_in_training_and_gradients_without_a_tape() {
    let mut rig = Rig::layer(Linear::new(2), shape(3, 1, 1));
    for (mode, want, says) in [(Mode::Train, Want::NORMS, "eval mode only"), (Mode::Eval, Want::WEIGHTS, "no tape")] {
        rig.output(mode, &[1.0, 2.0, 3.0]);
        let dy = rig.step.kernels.upload(rig.network.output(), &[1.0, 0.0]).unwrap();
        let reason = rig.network.backward(&mut rig.step, dy, want).err().unwrap().to_string();
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn sgd_moves_as_pytorch_does() {
    let mut rig = Rig::layer(Linear::new(1), shape(1, 1, 1));
    rig.weights = vec![2.0, -1.0];
    let sgd = SgdStep { rate: 0.1, momentum: 0.9, weight_decay: 0.01 };
    let (mut weight, mut velocity) = (2.0, 0.0);
    for _ in 0..3 {
        rig.gradients(Mode::Train, &[3.0], &[0.5], Want::WEIGHTS);
        rig.step.kernels.sgd(&rig.step.arenas, sgd).unwrap();
        velocity = 0.9 * velocity + (1.5 + 0.01 * weight);
        weight -= 0.1 * velocity;
        rig.step.kernels.read_arena(&rig.step.arenas.weights, &mut |host| rig.weights.copy_from_slice(host)).unwrap();
        assert_near(&rig.weights[..1], &[weight], 1e-12, "weight");
    }
}

#[test]
fn whole_networks_on_odd_sizes_match_central_differences() {
    let image = |channels, height, width| ImageShape { channels, height, width };
    for (name, input) in [
        ("resnet8-4", image(1, 13, 9)),
        ("resnet8-gn-6", image(1, 13, 9)),
        ("vgg11-2", image(1, 9, 13)),
        ("vgg11-plain-2", image(3, 9, 11)),
        ("lenet5", image(1, 11, 9)),
        ("mlp-12x3", image(3, 3, 5)),
        ("mlp-10x1", image(1, 1, 2)),
        ("logistic", image(2, 3, 5)),
    ] {
        Rig::new(models::parse(name).unwrap().build(input, 4).unwrap()).check(3, 60);
    }
}
