//! The `diffscope` program: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use diffscope::cli::{Cli, Command};
use diffscope::commands;

// Training keeps its buffers, but loading, scoring and the screen allocate: glibc maps and unmaps large ones each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    commands::detach::leave_terminal();
    let done = match &cli.command {
        None => commands::demo::demo(&cli),
        Some(Command::Run(options)) => commands::run::run(options, &cli.screen),
        Some(Command::Open(options)) => commands::open::open(options, &cli.screen),
        Some(Command::Status(options)) => commands::status::status(options),
        Some(Command::Ctl(options)) => commands::ctl::ctl(options),
        Some(Command::Analyze(options)) => commands::analyze::analyze(options),
        Some(Command::Report(options)) => commands::report::report(options),
        Some(Command::Export(options)) => commands::export::export(options),
        Some(Command::Import(options)) => commands::import::import(options),
        Some(Command::Bench(options)) => commands::bench::bench(options),
        Some(Command::Data(options)) => commands::data::data(options),
    };
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            commands::tell(format_args!("diffscope: {error}"));
            error.exit_code().into()
        }
    }
}
