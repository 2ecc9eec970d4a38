//! Where the tests find what was built and installed before them.

use std::path::PathBuf;

/// `milena` in the user's cache: tools, jars, clients.
///
/// # Panics
/// If the environment names no home.
pub fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache");
    base.unwrap_or_else(home).join("milena")
}

/// The repository's root.
pub fn repository() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(PathBuf::from).unwrap_or(tests)
}

/// A binary of this workspace, built before the tests, in the profile of the running test; `MILENA_BROKER` and the
/// like name another one.
///
/// # Panics
/// If it was not built.
pub fn binary(name: &str) -> PathBuf {
    let variable = name.to_uppercase().replace('-', "_");
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    // The test lies in `deps` of the profile's folder.
    let profile = test.parent().and_then(|deps| deps.parent()).expect("cargo's layout");
    let binary = profile.join(name);
    assert!(binary.exists(), "{} is missing: cargo build -p {name}", binary.display());
    binary
}
