//! A GPU for machines without one: the real sources of the kernels, compiled as C++, behind the calls of CUDA's
//! libraries that diffscope makes. A test program that finds it on `LD_LIBRARY_PATH` computes on it.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use diffscope::nn::kernels::cuda::{SOURCES, source as kernels};

/// What the libraries are called when a program looks for them.
const NAMES: [&str; 4] = ["libcuda.so", "libnvrtc.so", "libcublas.so", "libcudnn.so"];

/// Builds it into a folder; none where there is no C++ compiler.
pub fn build(dir: &Path) -> Option<PathBuf> {
    let compiler = [std::env::var("CXX").unwrap_or_default().as_str(), "c++", "g++", "clang++"]
        .into_iter()
        .find(|name| !name.is_empty() && Command::new(name).arg("--version").output().is_ok())?
        .to_owned();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kernels/standin");
    let include = |name: &str| format!("#include \"{}\"\n", here.join(name).display());
    let table = format!(
        "const Kernel KERNELS[] = {{{}}};\nconst int KERNEL_COUNT = sizeof KERNELS / sizeof *KERNELS;\n",
        names_and_waits().iter().map(|(name, waits)| format!("KERNEL({name}, {waits})")).collect::<Vec<_>>().join(", ")
    );
    let source = dir.join("standin.cpp");
    std::fs::write(&source, [include("device.hpp"), kernels(), include("libraries.hpp"), table].concat()).unwrap();
    let library = dir.join(NAMES[0]);
    let made = Command::new(compiler)
        .args(["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-pthread", "-o"])
        .args([&library, &source])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in &NAMES[1..] {
        std::os::unix::fs::symlink(&library, dir.join(name)).unwrap();
    }
    Some(dir.to_path_buf())
}

/// Every kernel, and whether its threads wait for each other.
fn names_and_waits() -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (_, text) in SOURCES {
        for kernel in text.split("extern \"C\" __global__ void ").skip(1) {
            let (name, rest) = kernel.split_once('(').unwrap();
            let body = rest.split("\n}\n").next().unwrap();
            let waits = ["_total(", "_of_parts(", "_sums(", "row_largest("].iter().any(|call| body.contains(call));
            found.push((name.to_owned(), waits));
        }
    }
    found
}

/// Blocks of memory that the stand-in ever handed out to this thread, and how often it waited; none on a real GPU.
pub fn counts() -> Option<(i64, i64)> {
    type Count = unsafe extern "C" fn() -> i64;
    // SAFETY: the driver's library is loaded, and where it has these symbols, they are the stand-in's own.
    unsafe {
        let library = cudarc::driver::sys::culib();
        let allocations = library.get::<Count>(b"standin_allocations\0").ok()?;
        let waits = library.get::<Count>(b"standin_waits\0").ok()?;
        Some((allocations(), waits()))
    }
}
