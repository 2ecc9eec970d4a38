//! The operator: turns `KafkaCluster` and `KafkaTopic` resources into brokers and topics.

mod cli;
mod crd;

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::Parser;

use cli::{Cli, Command};

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(_options) => Ok(()),
        Command::Crds { write: None } => print_crds(),
        Command::Crds { write: Some(folder) } => write_crds(&folder),
        Command::UninstallCheck(_scope) => Ok(()),
    }
}

fn print_crds() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for (_, definition) in crd::definitions() {
        out.write_all(crd::yaml(&definition)?.as_bytes())?;
    }
    Ok(())
}

fn write_crds(folder: &Path) -> anyhow::Result<()> {
    for (name, definition) in crd::definitions() {
        let path = folder.join(name);
        std::fs::write(&path, crd::yaml(&definition)?)
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
