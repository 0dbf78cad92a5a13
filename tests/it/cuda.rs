//! Do the kernels of a GPU compute what the CPU's do? `cargo test --features cuda --test it cuda` proves it on a device;
//! where none answers, on a simulated one, which says nothing about cuDNN, cuBLAS and the driver themselves.

use std::process::Command;
use std::sync::Arc;

use diffscope::data::{self, Dataset, ImageShape, View};
use diffscope::models;
use diffscope::nn::kernels::cuda::{CudaKernels, Gpu, device_count};
use diffscope::nn::kernels::{Arenas, Conv, GroupNorm, Input, Normed, Sink};
use diffscope::nn::{
    BatchNorm, Conv2d, CpuKernels, Flatten, Kernels, Linear, MaxPool, MeanPool, Mode, Network, Objective, Place, Real,
    Relu, Residual, Sequence, SgdStep, Shape, Step, Want,
};
use diffscope::random::Key;
use diffscope::scores::Record;
use diffscope::store::record::State;
use diffscope::study::config::{Augment, NormInit, Precision};
use diffscope::train::devices::{Devices, Wish};
use diffscope::train::learner::{Images, Learner};

use crate::kernels::standin;
use crate::nn_oracles::{assert_near, normals};
use crate::studies::{SMALL, progress_when};

/// Says to a child process that a simulated device must answer.
const SIMULATED: &str = "DIFFSCOPE_TEST_STANDIN";

/// The first GPU; without one a test is skipped, visibly.
fn gpu() -> Option<Arc<Gpu>> {
    match device_count().and_then(|_| Gpu::open(0)) {
        Ok(gpu) => Some(gpu),
        Err(reason) => {
            assert!(std::env::var_os(SIMULATED).is_none(), "the simulated device does not answer: {reason}");
            eprintln!("SKIPPED: no GPU answers ({reason})");
            None
        }
    }
}

fn kernels(gpu: &Arc<Gpu>, precision: Precision) -> CudaKernels {
    CudaKernels::new(gpu, precision).unwrap()
}

/// What one pass forth and back gave.
#[derive(Debug, Clone, PartialEq, Default)]
struct Found {
    output: Vec<f64>,
    statistics: Vec<f64>,
    gradients: Vec<f64>,
    norms: Vec<f64>,
    input: Vec<f64>,
}

/// A network's layers, for any backend.
#[derive(Debug, Clone)]
enum Case {
    Conv(Conv2d),
    Norm { relu: bool },
    Pool(usize),
    Mean,
    Dense(usize),
    Relu,
    Flat(usize),
    Block { outputs: usize, stride: usize },
    Model(&'static str),
}

impl Case {
    fn network<K: Kernels>(&self, input: Shape) -> Network<K> {
        let one = Sequence::default();
        let layers = match self {
            Self::Conv(conv) => one.with("conv", *conv),
            Self::Norm { relu: true } => one.with("bn", BatchNorm::with_relu()),
            Self::Norm { relu: false } => one.with("bn", BatchNorm::new()),
            Self::Pool(side) => one.with("", MaxPool::new(*side)),
            Self::Mean => one.with("", MeanPool::default()),
            Self::Dense(outputs) => one.with("fc", Linear::new(*outputs)),
            Self::Relu => one.with("", Relu),
            Self::Flat(outputs) => one.with("", Flatten::default()).with("fc", Linear::new(*outputs)),
            Self::Block { outputs, stride } => {
                let body = Sequence::default()
                    .with("conv1", Conv2d::new(*outputs, 3, *stride, 1))
                    .with("bn1", BatchNorm::with_relu())
                    .with("conv2", Conv2d::new(*outputs, 3, 1, 1));
                let projection = Conv2d::new(*outputs, 1, *stride, 0);
                let shortcut = Sequence::default().with("0", projection).with("1", BatchNorm::new());
                let changes = *stride != 1 || input.channels != *outputs;
                one.with("block", Residual::new(body, "bn2", BatchNorm::with_relu(), changes.then_some(shortcut)))
            }
            Self::Model(name) => {
                let image = ImageShape { channels: input.channels, height: input.height, width: input.width };
                return models::parse(name).unwrap().build(image, 5).unwrap();
            }
        };
        Network::new(layers, input).unwrap()
    }

    /// Values that are nowhere special, in f32 as every backend takes them.
    fn values(count: usize, purpose: &str, scale: f64) -> Vec<f64> {
        normals(count, purpose).iter().map(|value| f64::from((value * scale) as f32)).collect()
    }

    /// A pass of this case on some kernels.
    fn pass<K: Kernels>(&self, kernels: K, input: Shape, batch: usize, mode: Mode, want: Want) -> Found {
        let network: Network<K> = self.network(input);
        let mut step = Step::new(kernels, network.layout()).unwrap();
        let layout = network.layout();
        let weights = Self::values(layout.parameter_count(), "weights", 0.5);
        let statistics = Self::values(layout.statistic_count(), "statistics", 1.0);
        let statistics: Vec<f64> = statistics.iter().map(|value| 0.5 + value.abs()).collect();
        step.kernels.write_arena(&step.arenas.weights, &real(&weights)).unwrap();
        step.kernels.write_arena(&step.arenas.statistics, &real(&statistics)).unwrap();
        let x = Self::values(batch * input.len(), "input", 1.0);
        let x = step.kernels.upload(input, &real(&x)).unwrap();
        let y = network.forward(&mut step, mode, x).unwrap();
        let mut found = Found::default();
        step.kernels.download(network.output(), &y, &mut |host| found.output = host_f64(host)).unwrap();
        drop(y);
        if mode != Mode::Eval {
            let dy = Self::values(batch * network.output().len(), "output gradient", 1.0);
            let dy = step.kernels.upload(network.output(), &real(&dy)).unwrap();
            let dx = network.backward(&mut step, dy, want).unwrap();
            if let Some(dx) = dx {
                step.kernels.download(input, &dx, &mut |host| found.input = host_f64(host)).unwrap();
            }
            if want.weights {
                let gradients = &step.arenas.gradients;
                step.kernels.read_arena(gradients, &mut |host| found.gradients = host_f64(host)).unwrap();
            }
            if let Some(norms) = step.squared_norms() {
                step.kernels.read_arena(norms, &mut |host| found.norms = host_f64(host)).unwrap();
            }
        }
        let statistics = &step.arenas.statistics;
        step.kernels.read_arena(statistics, &mut |host| found.statistics = host_f64(host)).unwrap();
        found
    }

    /// Compares a GPU with the CPU's f64, forth and back in every mode; twice on the GPU gives the same bits.
    fn check(&self, gpu: &Arc<Gpu>, precision: Precision, tolerance: f64, input: Shape, batch: usize) {
        let all = Want { weights: true, norms: true, input: true };
        let training = Want { weights: true, norms: false, input: true };
        for (mode, want) in [
            (Mode::Eval, Want::INPUT),
            (Mode::Train, training),
            (Mode::Train, Want::WEIGHTS),
            (Mode::EvalTaped, all),
            (Mode::EvalTaped, Want::NORMS),
            (Mode::EvalTaped, Want::INPUT),
        ] {
            let expected = self.pass(CpuKernels::<f64>::new(), input, batch, mode, want);
            let found = self.pass(kernels(gpu, precision), input, batch, mode, want);
            let what = |part: &str| format!("{self:?} on {batch} x {input}, {precision:?}, {mode:?}, {want:?}: {part}");
            assert_near(&found.output, &expected.output, tolerance, &what("output"));
            assert_near(&found.statistics, &expected.statistics, tolerance, &what("statistics"));
            assert_near(&found.gradients, &expected.gradients, tolerance, &what("gradients"));
            assert_near(&found.norms, &expected.norms, 2.0 * tolerance, &what("norms"));
            assert_near(&found.input, &expected.input, tolerance, &what("input gradient"));
            let again = self.pass(kernels(gpu, precision), input, batch, mode, want);
            assert!(bits(&found) == bits(&again), "{}", what("other bits the second time"));
        }
    }
}

fn real<R: Real>(values: &[f64]) -> Vec<R> {
    values.iter().map(|value| R::from_f64(*value)).collect()
}

fn host_f64<R: Real>(values: &[R]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

fn bits(found: &Found) -> Vec<u64> {
    let parts = [&found.output, &found.statistics, &found.gradients, &found.norms, &found.input];
    parts.iter().flat_map(|part| part.iter().map(|value| value.to_bits())).collect()
}

fn shape(channels: usize, height: usize, width: usize) -> Shape {
    Shape::new(channels, height, width).unwrap()
}

#[test]
fn device_convolutions_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (outputs, kernel, stride, padding, input, batch) in [
        (16, 3, 1, 1, shape(3, 12, 10), 5),
        (5, 3, 2, 1, shape(4, 9, 7), 3),
        (8, 1, 2, 0, shape(4, 8, 8), 2),
        (7, 1, 1, 0, shape(6, 5, 4), 3),
        (4, 5, 1, 2, shape(1, 11, 13), 2),
        (3, 4, 3, 0, shape(2, 9, 10), 2),
        (33, 3, 1, 1, shape(17, 4, 5), 2),
    ] {
        let conv = Conv2d::new(outputs, kernel, stride, padding);
        Case::Conv(conv).check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Conv(conv.biased().standardised()).check(&gpu, Precision::Fp32, 2e-4, input, batch);
    }
}

#[test]
fn device_norms_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (input, batch) in [(shape(3, 5, 4), 4), (shape(16, 12, 12), 6), (shape(70, 2, 3), 5), (shape(5, 1, 1), 9)] {
        Case::Norm { relu: true }.check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Norm { relu: false }.check(&gpu, Precision::Fp32, 1e-4, input, batch);
    }
}

#[test]
fn device_pools_and_dense_layers_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (input, batch) in [(shape(3, 5, 4), 2), (shape(9, 8, 8), 3), (shape(20, 7, 3), 2)] {
        for side in [2, 3] {
            Case::Pool(side).check(&gpu, Precision::Fp32, 1e-4, input, batch);
        }
        Case::Mean.check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Relu.check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Flat(7).check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Dense(11).check(&gpu, Precision::Fp32, 1e-4, shape(input.len(), 1, 1), batch);
    }
}

#[test]
fn device_blocks_and_whole_networks_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (outputs, stride) in [(4, 1), (8, 2)] {
        Case::Block { outputs, stride }.check(&gpu, Precision::Fp32, 1e-4, shape(4, 8, 6), 3);
    }
    for (name, input) in [
        ("resnet8-4", shape(3, 12, 9)),
        ("resnet14-3", shape(1, 8, 8)),
        ("resnet8-gn-8", shape(3, 9, 8)),
        ("vgg11-2", shape(3, 32, 32)),
        ("vgg11-plain-2", shape(3, 16, 16)),
        ("lenet5", shape(1, 28, 28)),
        ("mlp-24x3", shape(2, 5, 6)),
        ("logistic", shape(3, 4, 5)),
    ] {
        Case::Model(name).check(&gpu, Precision::Fp32, 1e-4, input, 4);
    }
}

/// TF32 keeps 10 bits of each factor, bfloat16 7: single layers stay within what that costs.
#[test]
fn device_layers_in_low_precision_stay_near_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (precision, tolerance) in [(Precision::Tf32, 5e-3), (Precision::Bf16, 3e-2)] {
        for (outputs, kernel, stride) in [(8, 3, 1), (16, 3, 2), (8, 1, 1)] {
            let conv = Conv2d::new(outputs, kernel, stride, kernel / 2);
            Case::Conv(conv).check(&gpu, precision, tolerance, shape(8, 9, 8), 3);
        }
        Case::Dense(16).check(&gpu, precision, tolerance, shape(32, 1, 1), 8);
    }
}

#[test]
fn device_rectifiers_keep_nan_visible() {
    let Some(gpu) = gpu() else { return };
    let mut kernels = kernels(&gpu, Precision::Fp32);
    let vector = shape(4, 1, 1);
    let x = kernels.upload(vector, &[f32::NAN, -1.0, 0.0, 2.0]).unwrap();
    let y = kernels.relu(x).unwrap();
    kernels.download(vector, &y, &mut |y| assert!(y[0].is_nan() && y[1..] == [0.0, 0.0, 2.0])).unwrap();
    let dy = kernels.upload(vector, &[1.0; 4]).unwrap();
    let dx = kernels.relu_backward(&y, dy).unwrap();
    kernels.download(vector, &dx, &mut |dx| assert_eq!(dx, [1.0, 0.0, 0.0, 1.0])).unwrap();
    let square = shape(1, 2, 2);
    let pool = diffscope::nn::kernels::Pool { input: square, output: shape(1, 1, 1), side: 2 };
    let x = kernels.upload(square, &[1.0, 3.0, f32::NAN, 3.0]).unwrap();
    let y = kernels.max_pool(&pool, &x).unwrap();
    kernels.download(pool.output, &y, &mut |y| assert!(y[0].is_nan())).unwrap();
}

/// A data set of real images.
fn dataset() -> Arc<Dataset> {
    let config: diffscope::study::Config = toml::from_str(SMALL).unwrap();
    Arc::new(data::load(&config.data, 3, std::path::Path::new("nowhere")).unwrap())
}

#[test]
fn device_batches_are_the_cpu_s_bit_for_bit() {
    let Some(gpu) = gpu() else { return };
    let dataset = dataset();
    let (mut host, mut device) =
        (CpuKernels::<f32>::new().on(dataset.clone()), CudaKernels::on(&gpu, Precision::Tf32, &dataset).unwrap());
    let shape = shape(dataset.shape.channels, dataset.shape.height, dataset.shape.width);
    let positions: Vec<u32> = (0..40).chain([199, 3, u32::MAX]).collect();
    let mut views = Vec::new();
    let key = Key { study_seed: 1, label: "net".into(), index: 0 };
    data::draw_views(&positions, Augment { crop: 4, flip: true }, &key, 1, &mut views);
    views[1] = View { top: -64, left: 64, flip: true };
    for views in [&views[..], &[]] {
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        let x = host.images(&positions, views).unwrap();
        host.download(shape, &x, &mut |values| expected.extend_from_slice(values)).unwrap();
        let x = device.images(&positions, views).unwrap();
        device.download(shape, &x, &mut |values| found.extend_from_slice(values)).unwrap();
        assert!(expected.iter().map(|value| value.to_bits()).eq(found.iter().map(|value| value.to_bits())));
    }
}

#[test]
fn device_losses_and_observations_are_the_cpu_s() {
    let Some(gpu) = gpu() else { return };
    for objective in [Objective::CrossEntropy, Objective::ZeroHinge] {
        check_loss(&gpu, objective);
    }
}

fn check_loss(gpu: &Arc<Gpu>, objective: Objective) {
    let classes = 70;
    let mut logits: Vec<f32> = normals(6 * classes, "logits").iter().map(|value| *value as f32 * 4.0).collect();
    logits[classes] = f32::NAN;
    logits[2 * classes + 69] = f32::INFINITY;
    logits[3 * classes..4 * classes].fill(1.5);
    logits[4 * classes..5 * classes].fill(f32::NAN);
    logits[5 * classes] = 1e30;
    let labels = [3, 7, 69, 40, 1, 0];
    let (mut expected, mut found) = (Record::default(), Record::default());
    let (mut dz, mut dz_expected) = (Vec::new(), Vec::new());
    let mut host = CpuKernels::<f32>::new();
    let z = host.upload(shape(classes, 1, 1), &logits).unwrap();
    let gradient = host.loss(objective, &z, &labels, 0.25).unwrap();
    host.download(shape(classes, 1, 1), &gradient, &mut |values| dz_expected = host_f64(values)).unwrap();
    host.take_record(&mut expected).unwrap();
    let mut device = kernels(gpu, Precision::Tf32);
    let z = device.upload(shape(classes, 1, 1), &logits).unwrap();
    for _ in 0..2 {
        let gradient = device.loss(objective, &z, &labels, 0.25).unwrap();
        device.download(shape(classes, 1, 1), &gradient, &mut |values| dz = host_f64(values)).unwrap();
    }
    device.take_record(&mut found).unwrap();
    assert_eq!(found.predicted[..6], expected.predicted[..]);
    for (mine, theirs) in
        [(&found.loss, &expected.loss), (&found.margin, &expected.margin), (&found.entropy, &expected.entropy)]
    {
        assert_eq!(mine.len(), 12, "two steps were kept");
        for (place, (mine, theirs)) in mine.iter().zip(theirs.iter().chain(theirs)).enumerate() {
            let near = (mine - theirs).abs() <= 1e-6 * theirs.abs().max(1.0);
            assert!(near || (mine.is_nan() && theirs.is_nan()), "{place}: {mine} instead of {theirs}");
        }
    }
    for (mine, theirs) in dz.iter().zip(&dz_expected) {
        assert!((mine - theirs).abs() <= 1e-6 || (mine.is_nan() && theirs.is_nan()), "{mine} instead of {theirs}");
    }
    found.clear();
    device.take_record(&mut found).unwrap();
    assert!(found.loss.is_empty(), "what was read is forgotten");
}

/// Mean and variance of groups by their definition, in f64, and the loss `dy . y` of what follows.
struct GroupRig {
    norm: GroupNorm,
    weights: Vec<f64>,
    x: Vec<f64>,
    skip: Vec<f64>,
    dy: Vec<f64>,
}

impl GroupRig {
    fn new(shape: Shape, groups: usize, batch: usize) -> Self {
        let place = |offset| Place { offset, len: shape.channels };
        let norm = GroupNorm { shape, groups, weight: place(0), bias: place(shape.channels), relu: true };
        let values = |purpose: &str| Case::values(batch * shape.len(), purpose, 1.0);
        let weights = Case::values(2 * shape.channels, "weights", 1.0);
        Self { norm, weights, x: values("x"), skip: values("skip"), dy: values("dy") }
    }

    fn output(&self) -> Vec<f64> {
        let (shape, pixels) = (self.norm.shape, self.norm.shape.pixels());
        let group = shape.channels / self.norm.groups * pixels;
        let mut y = Vec::new();
        for (start, x) in self.x.chunks(group).enumerate().map(|(index, x)| (index * group, x)) {
            let mean = x.iter().sum::<f64>() / group as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / group as f64;
            for (index, x) in x.iter().enumerate() {
                let channel = (start + index) / pixels % shape.channels;
                let normed = (x - mean) / (variance + 1e-5).sqrt();
                let value = normed * self.weights[channel] + self.weights[shape.channels + channel];
                y.push((value + self.skip[start + index]).max(0.0));
            }
        }
        y
    }

    fn loss(&self, example: Option<usize>) -> f64 {
        let len = self.norm.shape.len();
        let terms = self.output().into_iter().zip(&self.dy).map(|(y, dy)| y * dy).collect::<Vec<_>>();
        example.map_or(terms.iter().sum(), |example| terms[example * len..][..len].iter().sum())
    }

    fn differences(&mut self, values: fn(&mut Self) -> &mut Vec<f64>, example: Option<usize>) -> Vec<f64> {
        (0..values(self).len())
            .map(|place| {
                let kept = values(self)[place];
                let mut at = |change: f64| {
                    values(self)[place] = kept + change;
                    self.loss(example)
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                values(self)[place] = kept;
                slope
            })
            .collect()
    }
}

#[test]
fn device_group_norms_match_their_definition() {
    let Some(gpu) = gpu() else { return };
    for (input, groups, batch) in [(shape(6, 3, 4), 3, 2), (shape(8, 2, 3), 1, 3), (shape(5, 2, 2), 5, 2)] {
        let mut rig = GroupRig::new(input, groups, batch);
        let mut device = kernels(&gpu, Precision::Fp32);
        let arenas = [&rig.weights, &vec![0.0; rig.weights.len()]].map(|values| {
            let arena = device.arena(values.len()).unwrap();
            device.write_arena(&arena, &real(values)).unwrap();
            arena
        });
        let [weights, gradients] = arenas;
        let x = device.upload(input, &real(&rig.x)).unwrap();
        let skip = device.upload(input, &real(&rig.skip)).unwrap();
        let (y, moments) = device.group_norm(&rig.norm, &weights, &x, Some(&skip)).unwrap();
        let mut found = Vec::new();
        device.download(input, &y, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.output(), 1e-4, "output");
        let dy = device.upload(input, &real(&rig.dy)).unwrap();
        let norms = device.norms_like(&dy).unwrap();
        let taped = Normed { x, moments, y: Some(y) };
        let sink = Sink { gradients: Some(&gradients), norms: Some(&norms) };
        let (dx, dz) = device.group_norm_backward(&rig.norm, &weights, &taped, dy, sink).unwrap();
        device.download(input, &dx, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.x, None), 1e-4, "dx");
        device.download(input, &dz, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.skip, None), 1e-4, "dz");
        device.read_arena(&gradients, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.weights, None), 1e-4, "gradients");
        device.read_arena(&norms, &mut |host| found = host_f64(host)).unwrap();
        let squares = |example| rig.differences(|rig| &mut rig.weights, Some(example)).iter().map(|g| g * g).sum();
        let squares: Vec<f64> = (0..batch).map(squares).collect();
        assert_near(&found, &squares, 1e-4, "norms");
    }
}

/// A convolution that is biased and standardised, by the CPU's plain one on weights standardised here.
struct StandardisedRig {
    conv: Conv,
    batch: usize,
    weights: Vec<f64>,
    x: Vec<f64>,
    dy: Vec<f64>,
}

impl StandardisedRig {
    fn new() -> Self {
        let (input, output) = (shape(3, 5, 6), shape(4, 5, 6));
        let (weight, bias) = (Place { offset: 0, len: 108 }, Some(Place { offset: 108, len: 4 }));
        let conv = Conv { input, output, kernel: 3, stride: 1, padding: 1, weight, bias, standardised: true };
        let (batch, values) = (3, |count, purpose: &str| Case::values(count, purpose, 1.0));
        Self {
            conv,
            batch,
            weights: values(112, "w"),
            x: values(3 * input.len(), "x"),
            dy: values(3 * output.len(), "dy"),
        }
    }

    fn output(&self) -> Vec<f64> {
        let mut weights = self.weights.clone();
        for filter in weights[..108].chunks_mut(27) {
            let mean = filter.iter().sum::<f64>() / 27.0;
            let variance = filter.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / 27.0;
            for w in filter {
                *w = (*w - mean) / (variance + 1e-5).sqrt();
            }
        }
        let mut host = CpuKernels::<f64>::new();
        let arena = host.arena(112).unwrap();
        host.write_arena(&arena, &weights).unwrap();
        let x = host.upload(self.conv.input, &self.x).unwrap();
        let plain = Conv { bias: None, standardised: false, ..self.conv };
        let y = host.conv(&plain, false, &arena, &x).unwrap();
        let mut values = Vec::new();
        host.download(self.conv.output, &y, &mut |host| values.extend_from_slice(host)).unwrap();
        values.iter().enumerate().map(|(place, y)| y + weights[108 + place / 30 % 4]).collect()
    }

    fn differences(&mut self, values: fn(&mut Self) -> &mut Vec<f64>, example: Option<usize>) -> Vec<f64> {
        let range = example.map_or(0..self.dy.len(), |example| example * 120..(example + 1) * 120);
        (0..values(self).len())
            .map(|place| {
                let kept = values(self)[place];
                let mut at = |change: f64| {
                    values(self)[place] = kept + change;
                    let y = self.output();
                    y[range.clone()].iter().zip(&self.dy[range.clone()]).map(|(y, dy)| y * dy).sum::<f64>()
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                values(self)[place] = kept;
                slope
            })
            .collect()
    }
}

#[test]
fn device_convolutions_with_bias_and_standardised_weights_match_their_definition() {
    let Some(gpu) = gpu() else { return };
    for (precision, tolerance) in [(Precision::Fp32, 1e-4), (Precision::Bf16, 3e-2)] {
        let mut rig = StandardisedRig::new();
        let batch = rig.batch;
        let mut device = kernels(&gpu, precision);
        let (weights, gradients) = (device.arena(112).unwrap(), device.arena(112).unwrap());
        device.write_arena(&weights, &real(&rig.weights)).unwrap();
        let x = device.upload(rig.conv.input, &real(&rig.x)).unwrap();
        let y = device.conv(&rig.conv, false, &weights, &x).unwrap();
        let mut found = Vec::new();
        device.download(rig.conv.output, &y, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.output(), tolerance, "output");
        let dy = device.upload(rig.conv.output, &real(&rig.dy)).unwrap();
        let norms = device.norms_like(&dy).unwrap();
        let sink = Sink { gradients: Some(&gradients), norms: Some(&norms) };
        let onto = device.upload(rig.conv.input, &real(&rig.x)).unwrap();
        let dx = device.conv_backward(&rig.conv, &weights, &x, &dy, Input::Onto(onto), sink).unwrap().unwrap();
        device.read_arena(&gradients, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.weights, None), tolerance, "gradients");
        device.read_arena(&norms, &mut |host| found = host_f64(host)).unwrap();
        let squares = |example| rig.differences(|rig| &mut rig.weights, Some(example)).iter().map(|g| g * g).sum();
        let squares: Vec<f64> = (0..batch).map(squares).collect();
        assert_near(&found, &squares, tolerance, "norms");
        device.download(rig.conv.input, &dx, &mut |host| found = host_f64(host)).unwrap();
        let expected: Vec<f64> =
            rig.differences(|rig| &mut rig.x, None).iter().zip(&rig.x).map(|(dx, onto)| dx + onto).collect();
        assert_near(&found, &expected, tolerance, "dx onto x");
    }
}

/// Weights and momentum after one step from weights, gradients and momentum.
fn moved<K: Kernels<Real = f32>>(kernels: &mut K, values: [Vec<f32>; 3], sgd: SgdStep) -> Vec<f32> {
    let [weights, gradients, momentum] = values.map(|values| {
        let arena = kernels.arena(values.len()).unwrap();
        kernels.write_arena(&arena, &values).unwrap();
        arena
    });
    kernels.accumulate(&gradients, &momentum).unwrap();
    let arenas = Arenas { weights, gradients, momentum, statistics: kernels.arena(0).unwrap() };
    kernels.sgd(&arenas, sgd).unwrap();
    let mut moved = Vec::new();
    kernels.read_arena(&arenas.weights, &mut |host| moved.extend_from_slice(host)).unwrap();
    kernels.read_arena(&arenas.momentum, &mut |host| moved.extend_from_slice(host)).unwrap();
    moved
}

#[test]
fn device_descent_moves_as_the_cpu_does() {
    let Some(gpu) = gpu() else { return };
    let mut device = kernels(&gpu, Precision::Tf32);
    let values = |purpose: &str| normals(1000, purpose).iter().map(|value| *value as f32).collect::<Vec<f32>>();
    let sgd = SgdStep { rate: 0.1, momentum: 0.9, weight_decay: 0.01 };
    let start = [values("w"), values("g"), values("v")];
    let expected = moved(&mut CpuKernels::<f32>::new(), start.clone(), sgd);
    let found = moved(&mut device, start, sgd);
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
}

/// A few steps of training and what follows them.
fn trained<K: Kernels>(kernels: K, dataset: &Dataset, steps: usize) -> (Learner<K>, Record, Vec<f32>, Vec<f32>) {
    let mut learner = Learner::new(kernels, &models::parse("resnet8-4").unwrap(), dataset.shape, 10).unwrap();
    let key = Key { study_seed: 3, label: "net".into(), index: 1 };
    learner.initialise(&key, NormInit::One).unwrap();
    let sgd = SgdStep { rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };
    let mut views = Vec::new();
    let order = data::order(&key, 1, 40);
    for batch in order.chunks(16).cycle().take(steps) {
        data::draw_views(batch, Augment { crop: 2, flip: true }, &key, 1, &mut views);
        let labels: Vec<u16> = batch.iter().map(|place| dataset.labels[*place as usize]).collect();
        learner
            .train_step(Images::Of { positions: batch, views: &views }, &labels, Objective::CrossEntropy, sgd)
            .unwrap();
    }
    let (mut seen, mut logits, mut norms) = (Record::default(), Vec::new(), Vec::new());
    learner.take_record(&mut seen).unwrap();
    for batch in [[0, 1, 2, 3], [7, 6, 5, 4]] {
        learner.evaluate(Images::Of { positions: &batch, views: &[] }).unwrap();
    }
    learner.collect(&mut logits).unwrap();
    let images = Images::Of { positions: &[5, 6, 7], views: &[] };
    learner.gradient_norms(images, &dataset.labels[5..8], Objective::CrossEntropy).unwrap();
    learner.collect(&mut norms).unwrap();
    (learner, seen, logits, norms)
}

fn as_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

#[test]
fn device_training_follows_the_cpu_and_repeats_itself_bit_for_bit() {
    let Some(gpu) = gpu() else { return };
    let dataset = dataset();
    let (host, seen, logits, norms) = trained(CpuKernels::<f32>::new().on(dataset.clone()), &dataset, 4);
    let device = || CudaKernels::on(&gpu, Precision::Fp32, &dataset).unwrap();
    let (learner, mine, own_logits, own_norms) = trained(device(), &dataset, 4);
    for (what, found, expected) in [
        ("losses", &mine.loss, &seen.loss),
        ("margins", &mine.margin, &seen.margin),
        ("entropies", &mine.entropy, &seen.entropy),
        ("logits", &own_logits, &logits),
        ("norms", &own_norms, &norms),
        ("weights", &learner.state().unwrap().weights, &host.state().unwrap().weights),
        ("statistics", &learner.state().unwrap().statistics, &host.state().unwrap().statistics),
    ] {
        assert_near(&as_f64(found), &as_f64(expected), 1e-3, what);
    }
    let (again, repeated, ..) = trained(device(), &dataset, 4);
    assert!(repeated == mine && again.state().unwrap() == learner.state().unwrap(), "the same bits again");
}

#[test]
fn device_steps_allocate_nothing_and_wait_for_nothing_once_all_batches_were_seen() {
    let Some(gpu) = gpu() else { return };
    if standin::counts().is_none() {
        eprintln!("SKIPPED: only a simulated device counts its allocations");
        return;
    }
    let dataset = dataset();
    let mut learner = trained(CudaKernels::on(&gpu, Precision::Bf16, &dataset).unwrap(), &dataset, 4).0;
    let sgd = SgdStep { rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };
    let epoch = |learner: &mut Learner<CudaKernels>| {
        for batch in [16, 8, 16] {
            let positions: Vec<u32> = (0..batch).collect();
            let images = Images::Of { positions: &positions, views: &[] };
            learner.train_step(images, &dataset.labels[..batch as usize], Objective::CrossEntropy, sgd).unwrap();
            learner.evaluate(images).unwrap();
        }
    };
    let finish = |learner: &mut Learner<CudaKernels>| {
        learner.take_record(&mut Record::default()).unwrap();
        learner.collect(&mut Vec::new()).unwrap();
    };
    // Once around the ring of uploads too.
    for _ in 0..6 {
        epoch(&mut learner);
        finish(&mut learner);
    }
    let before = standin::counts();
    epoch(&mut learner);
    assert_eq!(standin::counts(), before);
    finish(&mut learner);
}

#[test]
fn device_studies_give_the_same_bits_whatever_the_number_of_jobs() {
    let Some(_) = gpu() else { return };
    let dir = tempfile::tempdir().unwrap();
    let study = |name: &str, jobs: usize| {
        let settings = ["train.epochs=1", "data.limit=60", "train.batch_size=20"].map(str::to_owned);
        let config = diffscope::study::Config::parse(SMALL, "small.toml", &settings).unwrap();
        let devices = Devices::find(Some(&Wish::Cuda(Vec::new())), None).unwrap();
        assert!(devices.describe(2).contains("cuda:0") && devices.backend_id().contains("tf32"));
        let prepared = diffscope::commands::launch::Prepared::on(devices, &config, dir.path().join(name)).unwrap();
        assert_eq!(prepared.plan.config.train.precision, Some(Precision::Tf32), "the folder says so");
        let running = prepared.start(jobs, false, Arc::new(|_, _| ())).unwrap();
        let _ = progress_when(&running, "all is done", |all| all.iter().all(|one| one.state == State::Finished));
        let records = prepared.plan.replicates.iter();
        let records: Vec<_> =
            records.map(|plan| running.folder.replicate(&plan.id).record().unwrap().unwrap()).collect();
        running.crew.end(false);
        records
    };
    let (alone, together) = (study("alone", 1), study("together", 3));
    for (one, other) in alone.iter().zip(&together) {
        assert!(one.device.starts_with("cuda:0 ") && one.backend_id.starts_with("cuda-"), "{}", one.device);
        assert_eq!(one.weights_digest, other.weights_digest);
        assert!(one.weights_digest.is_some());
    }
}

#[test]
fn device_that_is_not_there_is_refused_by_its_number() {
    let Some(_) = gpu() else { return };
    let error = Devices::find(Some(&Wish::Cuda(vec![99])), None).err().unwrap();
    assert!(error.to_string().contains("cuda:99") && error.exit_code() == 2, "{error}");
}

/// Everything above again, on the kernels' real sources compiled as C++, behind simulated libraries.
#[test]
fn the_kernels_pass_on_a_simulated_device() {
    let dir = tempfile::tempdir().unwrap();
    let Some(libraries) = standin::build(dir.path()) else {
        eprintln!("SKIPPED: no C++ compiler");
        return;
    };
    // With cuDNN; without any algorithm of it; and with one that turns out not to work.
    for (cudnn, tests) in [("", "cuda::device_"), ("refuses", "cuda::device_conv"), ("fails", "cuda::device_conv")] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([tests, "--nocapture"])
            .env("LD_LIBRARY_PATH", &libraries)
            .env("STANDIN_CUDNN", cudnn)
            .env(SIMULATED, "1")
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
        assert!(child.status.success(), "STANDIN_CUDNN={cudnn}:\n{out}\n{err}");
        assert!(!err.contains("SKIPPED") && !out.contains(" 0 passed"), "STANDIN_CUDNN={cudnn}:\n{out}\n{err}");
    }
}

#[test]
fn a_full_device_lets_fewer_replicates_train_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let Some(libraries) = standin::build(dir.path()) else {
        eprintln!("SKIPPED: no C++ compiler");
        return;
    };
    let config = dir.path().join("small.toml");
    std::fs::write(&config, SMALL).unwrap();
    let run = |memory: &str, name: &str| {
        let settings = ["train.epochs=1", "data.limit=60", "model.1.replicates=1"];
        Command::new(env!("CARGO_BIN_EXE_diffscope"))
            .args(["run", &config.display().to_string(), "--headless", "--jobs", "3", "--device", "cuda"])
            .args(settings.iter().flat_map(|setting| ["--set", *setting]))
            .arg("--dir")
            .arg(dir.path().join(name))
            .env("LD_LIBRARY_PATH", &libraries)
            .env("STANDIN_MEMORY", memory)
            .env("XDG_STATE_HOME", dir.path().join("state"))
            .output()
            .unwrap()
    };
    let full = run("30000000", "full");
    let text = String::from_utf8_lossy(&full.stdout);
    assert!(full.status.success(), "{text}\n{}", String::from_utf8_lossy(&full.stderr));
    assert!(text.contains("training on cuda:0 Stand In in tf32, 3 at once"), "{text}");
    assert!(text.contains("at once from now on"), "{text}");
    let hopeless = run("9000000", "hopeless");
    let text = String::from_utf8_lossy(&hopeless.stdout);
    assert_eq!(hopeless.status.code(), Some(3), "{text}\n{}", String::from_utf8_lossy(&hopeless.stderr));
    assert!(text.contains("nothing ran beside it"), "{text}");
}
