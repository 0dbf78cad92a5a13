//! What does `bench` measure?

use clap::{Args, ValueEnum};

use super::at_least_one;

/// Measure how fast this machine trains and scores.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  diffscope bench train --model resnet20 --input 3x32x32 --batch 128 --jobs 2
  diffscope bench depth --examples 10000 --dim 4096 --json")]
pub struct Bench {
    /// What is measured: training steps, gradient norms (grand), input gradients (vog), or the neighbours of one probe.
    #[arg(value_enum)]
    pub job: BenchJob,
    /// The model.
    #[arg(long, default_value = "resnet20")]
    pub model: String,
    /// Shape of the images.
    #[arg(long, default_value = "3x32x32", value_name = "CxHxW")]
    pub input: String,
    /// Examples per step.
    #[arg(long, default_value_t = 128, value_parser = at_least_one)]
    pub batch: usize,
    /// Jobs at once, one core each.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub jobs: usize,
    /// Steps that are measured, after 3 that are not.
    #[arg(long, default_value_t = 15, value_parser = at_least_one)]
    pub steps: usize,
    /// Examples of the depth job.
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
    pub examples: usize,
    /// In the depth job: neighbours of so many other examples alone, instead of the examples' own.
    #[arg(long, default_value_t = 0)]
    pub queries: usize,
    /// Length of an embedding of the depth job.
    #[arg(long, default_value_t = 4096, value_parser = at_least_one)]
    pub dim: usize,
    /// Where training is measured, as for `run` [default: the CPU].
    #[arg(long)]
    pub device: Option<String>,
    /// The CPU kernels: avx512, avx2 or portable [default: the best there is].
    #[arg(long, value_name = "SET")]
    pub kernels: Option<String>,
    /// As one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchJob {
    /// Training steps, scores included.
    Train,
    /// Per-example gradient norms.
    Grand,
    /// Input gradients.
    Vog,
    /// Nearest neighbours among training examples.
    Depth,
}

impl BenchJob {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Grand => "grand",
            Self::Vog => "vog",
            Self::Depth => "depth",
        }
    }
}
