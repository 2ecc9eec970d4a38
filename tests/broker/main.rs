//! What a broker process must stand: being killed at any moment, and bytes that no client would send.

use std::time::Duration;

mod crash;
mod dump;
mod hostile;
mod never_reads;

/// How long any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
