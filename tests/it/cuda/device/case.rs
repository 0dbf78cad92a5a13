//! Layers and networks for any backend, and the comparison of a GPU with the CPU's f64.

use std::sync::Arc;

use diffscope::data::ImageShape;
use diffscope::models;
use diffscope::nn::kernels::cuda::Gpu;
use diffscope::nn::{
    BatchNorm, Conv2d, CpuKernels, Flatten, Kernels, Linear, MaxPool, MeanPool, Mode, Network, Relu, Residual,
    Sequence, Shape, Step, Want,
};
use diffscope::study::config::Precision;

use super::{host_f64, kernels, real};
use crate::nn_oracles::{assert_near, normals};

/// What one pass forth and back gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    output: Vec<f64>,
    statistics: Vec<f64>,
    gradients: Vec<f64>,
    norms: Vec<f64>,
    input: Vec<f64>,
}

/// A network's layers, for any backend.
#[derive(Debug, Clone)]
pub enum Case {
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
    pub fn values(count: usize, purpose: &str, scale: f64) -> Vec<f64> {
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
    pub fn check(&self, gpu: &Arc<Gpu>, precision: Precision, tolerance: f64, input: Shape, batch: usize) {
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

pub fn bits(found: &Found) -> Vec<u64> {
    let parts = [&found.output, &found.statistics, &found.gradients, &found.norms, &found.input];
    parts.iter().flat_map(|part| part.iter().map(|value| value.to_bits())).collect()
}
