//! Do the kernels of a GPU compute what the CPU's do? `cargo test --features cuda --test it cuda` proves it on a device;
//! where none answers, on a simulated one, which says nothing about cuDNN, cuBLAS and the driver themselves.

mod device;

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::kernels::standin;
use crate::program::until;
use crate::studies::SMALL;

/// Says to a child process that a simulated device must answer.
const SIMULATED: &str = "DIFFSCOPE_TEST_STANDIN";
/// The tests that cuDNN has a part in.
const CONVOLUTIONS: &str = "cuda::device::convolutions";

/// Everything of `device` again, on the kernels' real sources compiled as C++, behind simulated libraries.
#[test]
fn the_kernels_pass_on_a_simulated_device() {
    let dir = tempfile::tempdir().unwrap();
    let Some(libraries) = standin::build(dir.path()) else {
        eprintln!("SKIPPED: no C++ compiler");
        return;
    };
    // With cuDNN; without any algorithm of it; and with one that turns out not to work.
    for (cudnn, tests) in [("", "cuda::device::"), ("refuses", CONVOLUTIONS), ("fails", CONVOLUTIONS)] {
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffscope"));
        command
            .args(["run", &config.display().to_string(), "--headless", "--jobs", "3", "--device", "cuda"])
            .args(settings.iter().flat_map(|setting| ["--set", *setting]))
            .arg("--dir")
            .arg(dir.path().join(name))
            .env("LD_LIBRARY_PATH", &libraries)
            .env("STANDIN_MEMORY", memory)
            .env("XDG_STATE_HOME", dir.path().join("state"));
        command
    };
    let full = run("30000000", "full").output().unwrap();
    let text = String::from_utf8_lossy(&full.stdout);
    assert!(full.status.success(), "{text}\n{}", String::from_utf8_lossy(&full.stderr));
    assert!(text.contains("training on cuda:0 Stand In in tf32, 3 at once"), "{text}");
    assert!(text.contains("at once from now on"), "{text}");
    assert!(diffscope::store::Control::read(&dir.path().join("full")).unwrap().jobs < Some(3), "others see it too");

    // Where not even one fits, each of them waits for room.
    let printed = dir.path().join("printed");
    let mut hopeless = run("9000000", "hopeless")
        .stdout(std::fs::File::create(&printed).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let text = || std::fs::read_to_string(&printed).unwrap();
    until("it waits for room", || text().contains("nothing beside it").then_some(()));
    kill_process(Pid::from_child(&hopeless), Signal::INT).unwrap();
    assert_eq!(hopeless.wait().unwrap().code(), Some(130), "{}", text());
    assert!(text().contains("Interrupted"), "{}", text());
}

/// `.ci/run` shows what it prints. NVRTC gets the same text from the program.
#[test]
fn nvcc_compiles_the_text_that_nvrtc_gets() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("diffscope.cu"), diffscope::nn::kernels::cuda::source()).unwrap();
    for architecture in ["80", "90"] {
        let arch = format!("-arch=compute_{architecture}");
        let mut nvcc = Command::new("nvcc");
        let Ok(output) = nvcc.current_dir(dir.path()).args(["-std=c++17", "-ptx", &arch, "diffscope.cu"]).output()
        else {
            eprintln!("SKIPPED: no nvcc (the other tests have compiled the kernels as C++)");
            return;
        };
        assert!(output.status.success(), "sm_{architecture}: {}", String::from_utf8_lossy(&output.stderr));
        eprintln!("sm_{architecture}: the kernels compile");
    }
}
