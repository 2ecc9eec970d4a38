//! libFuzzer over the target that `MILENA_FUZZ_TARGET` names. Its seeds go to the folder `MILENA_FUZZ_SEEDS`.

#![no_main]

mod input;
#[path = "../golden/memory.rs"]
mod memory;
mod targets;
#[path = "../golden/vector.rs"]
#[allow(dead_code, reason = "the golden tests read more of a vector")]
mod vector;

use std::sync::LazyLock;
use std::{env, fs};

use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("MILENA_FUZZ_TARGET").expect("MILENA_FUZZ_TARGET names a target");
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| {
        panic!("{name} is none of {:?}", TARGETS.iter().map(|t| t.name).collect::<Vec<_>>())
    })
});

fn write_seeds() {
    let Some(folder) = env::var_os("MILENA_FUZZ_SEEDS").map(std::path::PathBuf::from) else { return };
    fs::create_dir_all(&folder).expect("make the folder of the seeds");
    for (index, seed) in (TARGET.seeds)().iter().enumerate() {
        fs::write(folder.join(format!("seed-{index}")), seed).expect("write a seed");
    }
}

fuzz_target!(init: write_seeds(), |data: &[u8]| (TARGET.run)(data));
