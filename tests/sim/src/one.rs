//! One seed, in a thread that has nothing but virtual time and the randomness of the seed.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{Flaw, clock, counters, scenario};

/// Stack of the thread, in bytes: everything is polled in it.
const STACK_BYTES: usize = 64 << 20;

/// Real seconds that one life may take, a hundred times what it does.
const REAL_SECONDS_MAX: u32 = 60;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lives the life of `seed` and prints it. The exit code says whether all was well.
pub(crate) fn run(seed: u64, flaw: Option<Flaw>, log: bool) -> ExitCode {
    let life = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || live(seed, flaw, log));
    match life.map(std::thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn live(seed: u64, flaw: Option<Flaw>, log: bool) -> bool {
    clock::limit(REAL_SECONDS_MAX);
    clock::simulate(seed);
    listen(log);
    if flaw == Some(Flaw::Truncation) {
        milena_broker::inspect::skip_truncation();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime is built of memory alone");
    let history = runtime.block_on(async {
        clock::begin();
        milena_world::begin(seed);
        scenario::live(seed, flaw).await
    });
    let mut violations = history.violations();
    violations.extend(PANICS.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
    let (events, deliveries, trace) =
        (milena_world::events(), milena_world::deliveries(), milena_world::trace());
    let virtual_ms = runtime.block_on(async { milena_world::elapsed().as_millis() });
    println!(
        "seed\t{seed}\tevents\t{events}\tdeliveries\t{deliveries}\tms\t{virtual_ms}\ttrace\t{trace:016x}"
    );
    for (name, times) in counters::counts() {
        println!("count\t{name}\t{times}");
    }
    violations.iter().for_each(|violation| println!("violation\t{violation}"));
    // What is left of the world need not be taken down.
    std::process::exit(i32::from(!violations.is_empty()));
}

/// Counts what the brokers say, and notes every panic. Shown or not, all is written, so that one seed is one life.
fn listen(log: bool) {
    let writer = if log { BoxMakeWriter::new(std::io::stderr) } else { BoxMakeWriter::new(std::io::sink) };
    let shown = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false).with_ansi(false);
    tracing_subscriber::registry().with(LevelFilter::INFO).with(counters::Listener).with(shown).init();
    std::panic::set_hook(Box::new(|panic| {
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("panic: {panic}"));
        eprintln!("{panic}");
    }));
}
