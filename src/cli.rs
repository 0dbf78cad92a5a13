//! The command line: definitions only.

mod bench;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::study::Shard;

pub use bench::{Bench, BenchJob};

/// Train replicates of image classifiers, score every example, and look at it live.
#[derive(Debug, Parser)]
#[command(
    name = "diffscope",
    version,
    max_term_width = 100,
    after_help = "\
Without a command: the demo study on embedded data, live. When it is finished, it opens.

Examples:
  diffscope                                   the demo, live
  diffscope run configs/demo.toml --dir here  the same as a study of your own
  diffscope open                              the last study again
  diffscope analyze here correlation          do the scores measure the same thing?

Exit codes: 0 done, 1 error, 2 usage, 3 some replicates failed or were non-finite, 130 interrupted (resumable)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How the workbench looks.
    #[command(flatten)]
    pub screen: Screen,
    /// Print plain progress lines instead of the workbench (also when stdout is no terminal).
    #[arg(long)]
    pub headless: bool,
    /// Replicates trained at once in the demo [default: one per core].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
}

/// How the workbench looks.
#[derive(Debug, Clone, Args)]
pub struct Screen {
    /// Pictures: auto (asks the terminal once), sixel, blocks or off.
    #[arg(long, value_enum, default_value_t = Graphics::Auto, global = true, hide_possible_values = true)]
    pub graphics: Graphics,
    /// Colours: auto (asks the terminal), dark, light or colour-blind.
    #[arg(long, value_enum, default_value_t = Theme::Auto, global = true, hide_possible_values = true)]
    pub theme: Theme,
}

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Graphics {
    /// Sixel where the terminal answers that it has it, else half-blocks.
    Auto,
    /// Sixel, without asking whether it is there.
    Sixel,
    /// Half-blocks: two pixels in a cell.
    Blocks,
    /// No pictures.
    Off,
}

/// Colours of the workbench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// Light where the terminal says that its background is light, else dark.
    Auto,
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// For dark backgrounds, without red against green.
    ColourBlind,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a study; one that is there already goes on.
    Run(Run),
    /// Open the workbench on a finished or running study.
    Open(Open),
    /// Say how far a study is.
    Status(Status),
    /// Steer a study that another process trains.
    Ctl(Ctl),
    /// Answer a question about a study's scores.
    Analyze(Analyze),
    /// Answer every question in one folder to take away: a page, figures, tables, numbers.
    Report(Report),
    /// Write all that is known of every example into a file for other programs.
    Export(Export),
    /// Bring scores that were computed elsewhere into a study.
    Import(Import),
    /// Measure how fast this machine trains and scores.
    Bench(Bench),
    /// Data sources.
    #[command(subcommand, after_help = "Example:\n  diffscope data fetch cifar10")]
    Data(Data),
}

/// Train a study; one that is there already goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  diffscope run configs/demo.toml
  diffscope run my.toml --dir /big/my --jobs 4 --set train.epochs=2 --set 'model.0.name=\"resnet20\"'")]
pub struct Run {
    /// The study's config.
    pub study: PathBuf,
    /// The study's folder [default: ./NAME].
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Replicates trained at once, per GPU on GPUs [default: one per core; up to 8 per GPU].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Where to train: cpu, cuda (every GPU) or cuda:0,1 [default: cuda where a GPU answers, else cpu].
    #[arg(long)]
    pub device: Option<String>,
    /// Change a value of the config: a dotted path and a TOML value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print plain progress lines instead of the workbench.
    #[arg(long)]
    pub headless: bool,
    /// Print the plan, its time and its disk space, and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Resume checkpoints made with other arithmetic (recorded in the replicate's log).
    #[arg(long)]
    pub force: bool,
    /// Train in the background, in a session of its own; lines go to run.log in the folder.
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    /// Train one part of n only (i from 1), where several machines share a folder without locks.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

/// Open the workbench on a finished or running study.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  diffscope open
  diffscope open my-study --data /mnt/cifar-10-batches-bin")]
pub struct Open {
    /// The study's folder [default: the study opened last].
    pub dir: Option<PathBuf>,
    /// Where the data lie now, if they moved.
    #[arg(long)]
    pub data: Option<PathBuf>,
}

/// Say how far a study is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  diffscope status my-study --json")]
pub struct Status {
    /// The study's folder.
    pub dir: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Steer a study that another process trains.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  diffscope ctl my-study pause
  diffscope ctl my-study jobs 2

Every process that trains the study obeys within a second. Where none does, nothing is changed (exit code 1).")]
pub struct Ctl {
    /// The study's folder.
    pub dir: PathBuf,
    /// What is wanted.
    #[command(subcommand)]
    pub wish: Wish,
}

/// What is wanted of a study that is being trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum Wish {
    /// Park every replicate at its next step.
    Pause,
    /// Let all replicates go on.
    Resume,
    /// End after the running epochs; nothing is lost.
    Stop,
    /// End now: back to the last checkpoints.
    StopNow,
    /// Train so many replicates at once from now on; those that run are not cut off.
    Jobs {
        /// How many, in each process.
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
        jobs: u16,
    },
}

/// Answer a question about a study's scores.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  diffscope analyze my-study
  diffscope analyze my-study correlation --role test
  diffscope analyze my-study correlation --json --model resnet8-8 --score aum --score forgetting")]
pub struct Analyze {
    /// The study's folder.
    pub dir: PathBuf,
    /// The question; without one, a summary.
    pub question: Option<String>,
    /// A further study, set beside it.
    #[arg(long = "with", value_name = "DIR")]
    pub with: Vec<PathBuf>,
    /// As JSON, with all numbers.
    #[arg(long)]
    pub json: bool,
    /// Only these models.
    #[arg(long = "model", value_name = "LABEL")]
    pub models: Vec<String>,
    /// Only these scores [default: the first variant of each, without variability].
    #[arg(long = "score", value_name = "SCORE")]
    pub scores: Vec<String>,
    /// Which examples: train, val or test.
    #[arg(long, value_enum, default_value_t = Role::Train, hide_possible_values = true)]
    pub role: Role,
    /// Random draws, where a question needs any.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub draws: Option<u32>,
    /// Seed of the draws.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Stability: hard begins above this percentile of the mean scores [default: 50].
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub threshold: Option<f64>,
    /// Stability: the median rank change to reach, in percent of the examples [default: 5].
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub target: Option<f64>,
    /// A number for every example, where a question has one (with --json).
    #[arg(long)]
    pub per_example: bool,
}

/// Which examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Those that were trained on.
    Train,
    /// Those that were held out of a replicate's training.
    Val,
    /// The test examples.
    Test,
}

/// Answer every question in one folder to take away: a page, figures, tables, numbers.
#[derive(Debug, Args)]
#[command(after_help = "\
report.html   everything in one page that needs no other file
report.md     the same as text
figures/      every figure as .svg, and a sheet per question as the paper sets them side by side
tables/       every table as .csv, with all digits
results/      the complete answers, as analyze --json prints them
report.json, *.study.toml   what it was made with: versions, settings, runs

Questions are asked of training examples with each one's own defaults. A report that is there
is replaced as a whole; a folder with anything else is refused.

Examples:
  diffscope report my-study
  diffscope report my-study --with other-study --out comparison")]
pub struct Report {
    /// The study's folder.
    pub dir: PathBuf,
    /// A further study, set beside it.
    #[arg(long = "with", value_name = "DIR")]
    pub with: Vec<PathBuf>,
    /// The report's folder [default: DIR/report].
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Write all that is known of every example into a file for other programs.
#[derive(Debug, Args)]
#[command(after_help = "\
A row per example: training examples, then test examples (`role`). Its id and labels; verdict/NAME, new_label/NAME and mark/NAME
of each reviewer; and for each model:
  MODEL/believed, /believed_class     the class that most final networks give
  MODEL/votes, /voters                how many of how many runs give it
  MODEL/SCORE/mean, /sd, /n           over the n runs that have a value; raw sign
  MODEL/SCORE/rank                    1 = hardest of its role; ties share their mean rank
  MODEL/SCORE/rank_low, /rank_high    its 90 % interval: runs drawn with replacement, 200 draws, seed 0
  MODEL/SCORE/003                     with --per-run: the value of run 003
Numbers of a training example are over the runs that trained on it; where runs hold examples out,
columns with `/val/` are over those that held it out. What is missing is null in parquet and jsonl,
NaN or -1 in npz and csv (words: empty); a column without any value is left out.
A column may begin with many nulls: polars.read_ndjson(FILE, infer_schema_length=None).

Examples:
  diffscope export my-study --format parquet
  diffscope export my-study --format csv --per-run --out scores.csv")]
pub struct Export {
    /// The study's folder.
    pub dir: PathBuf,
    /// csv, parquet, npz or jsonl.
    #[arg(long, value_enum, hide_possible_values = true)]
    pub format: ExportFormat,
    /// The value of every run, too.
    #[arg(long)]
    pub per_run: bool,
    /// The file; one that is there is replaced [default: DIR/export.FORMAT].
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// The form of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated text.
    Csv,
    /// Typed columns.
    Parquet,
    /// NumPy arrays by name.
    Npz,
    /// A JSON object per line.
    Jsonl,
}

impl ExportFormat {
    /// As on the command line, and at the end of the file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Npz => "npz",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Bring scores that were computed elsewhere into a study.
#[derive(Debug, Args)]
#[command(after_help = "\
[runs, examples] are the runs of a model, [examples] is one number per example of the model. f4 or f8.
A new folder becomes a study of imported scores. In a trained study, rows belong to the model's finished
replicates in the order of their numbers; a row has the training examples, or the test examples behind them too.

Examples:
  diffscope import --dir published --model resnet18 --score forgetting counts.npy
  diffscope import --dir my-study --model resnet20 --score paper.cscore --direction low cscores.npy")]
pub struct Import {
    /// The study's folder; made where there is none.
    #[arg(long)]
    pub dir: PathBuf,
    /// The model that the scores are of: one of the study's, or a new one.
    #[arg(long, value_name = "LABEL")]
    pub model: String,
    /// The score's name.
    #[arg(long, value_name = "NAME")]
    pub score: String,
    /// The difficult end: high or low.
    #[arg(long, value_enum, default_value_t = Direction::High, hide_possible_values = true)]
    pub direction: Direction,
    /// A class number for each example (u1, u2 or u4), for a new folder.
    #[arg(long, value_name = "FILE.npy")]
    pub labels: Option<PathBuf>,
    /// The array, as NumPy saves it.
    #[arg(value_name = "FILE.npy")]
    pub file: PathBuf,
}

/// The difficult end of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// Large values are difficult.
    High,
    /// Small values are difficult.
    Low,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|value| (1..=1 << 24).contains(value))
        .ok_or_else(|| "expected a whole number, at least 1".into())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse().ok();
    number
        .filter(|percent| *percent > 0.0 && *percent < 100.0)
        .ok_or_else(|| "expected a percentage between 0 and 100".into())
}

/// Data sources.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// List the sources: what they hold, whether their files are there, and how to get them.
    #[command(after_help = "Example:\n  diffscope data list")]
    List,
    /// Bring official files from the hub into the data folder.
    #[command(after_help = "\
The files are made from the hub's copies and compared with the published digests; nothing is kept
that differs. They go to $DIFFSCOPE_DATA (default ~/.cache/diffscope/data), where configs look.

Examples:
  diffscope data fetch cifar10
  diffscope data fetch all
  diffscope data fetch mnist --endpoint https://hub.example.org")]
    Fetch {
        /// Sources: cifar10, cifar100, fashion-mnist, mnist; or all.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// The hub's address.
        #[arg(
            long,
            value_name = "URL",
            help = "The hub's address [default: $HF_ENDPOINT, else https://huggingface.co]"
        )]
        endpoint: Option<String>,
    },
    /// Compare the files at hand with the published digests.
    #[command(after_help = "Examples:\n  diffscope data check cifar10\n  diffscope data check all")]
    Check {
        /// Sources: cifar10, cifar100, fashion-mnist, mnist; or all (those that are there).
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Make the embedded data set again from a full Fashion-MNIST folder, byte for byte.
    #[command(
        after_help = "Example:\n  diffscope data embed --from ~/.cache/diffscope/data/fashion-mnist --to assets/fashion-mnist-subset"
    )]
    Embed {
        /// The folder of the four full IDX files.
        #[arg(long)]
        from: PathBuf,
        /// Where to write.
        #[arg(long)]
        to: PathBuf,
    },
}
