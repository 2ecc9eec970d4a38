//! Many seeds, each in a process of its own, several at a time; their counters in one table, and every seed that failed.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum as _};

use crate::Flaw;

/// Failed seeds after which no more are tried.
const FAILURES_MAX: usize = 10;

/// Which seeds, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Many {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Begin no further seed after this many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Processes at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    #[arg(long, value_enum)]
    flaw: Option<Flaw>,
    /// End with success at the first seed that fails, and without one otherwise.
    #[arg(long)]
    find: bool,
}

#[derive(Debug, Default)]
struct Sum {
    next: u64,
    lives: u64,
    events: u64,
    events_min: Option<u64>,
    deliveries: u64,
    virtual_ms: u64,
    counts: BTreeMap<String, u64>,
    failed: Vec<(u64, String)>,
}

impl Many {
    pub(crate) fn run(&self) -> ExitCode {
        let began = Instant::now();
        let sum = Mutex::new(Sum { next: self.from, ..Sum::default() });
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| while self.one(&sum, began) {});
            }
        });
        let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.report(&sum, began.elapsed());
        if sum.failed.is_empty() == self.find { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Whether there may be another.
    fn one(&self, sum: &Mutex<Sum>, began: Instant) -> bool {
        let seed = {
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            let is_late = self.seconds.is_some_and(|limit| began.elapsed() > Duration::from_secs(limit));
            let failures_max = if self.find { 1 } else { FAILURES_MAX };
            if is_late || sum.next >= self.from + self.seeds || sum.failed.len() >= failures_max {
                return false;
            }
            sum.next += 1;
            sum.next - 1
        };
        let told = self.live(seed);
        sum.lock().unwrap_or_else(PoisonError::into_inner).add(seed, &told);
        true
    }

    fn live(&self, seed: u64) -> String {
        let mut command = Command::new(std::env::current_exe().expect("this program has a name"));
        command.args(["one", "--seed", &seed.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
        if let Some(value) = self.flaw.and_then(|flaw| flaw.to_possible_value()) {
            command.args(["--flaw", value.get_name()]);
        }
        match command.output() {
            Ok(output) => {
                let mut told = String::from_utf8_lossy(&output.stdout).into_owned();
                if !output.status.success() && !told.contains("\nviolation\t") {
                    told += &format!("\nviolation\tthe process ended with {}\n", output.status);
                }
                told
            }
            Err(error) => format!("violation\t{error}\n"),
        }
    }

    fn report(&self, sum: &Sum, took: Duration) {
        let Sum { lives, events, deliveries, virtual_ms, .. } = sum;
        let (seconds, fewest) = (took.as_secs(), sum.events_min.unwrap_or(0));
        println!(
            "{lives} seeds from {}: {events} events ({deliveries} deliveries), at least {fewest} a seed, {} virtual seconds in {seconds} s",
            self.from,
            virtual_ms / 1000
        );
        sum.counts.iter().for_each(|(name, times)| println!("{times:>12}  {name}"));
        for (seed, what) in &sum.failed {
            println!("seed {seed} failed: {what}\n    again: make sim SEED={seed}");
        }
    }
}

impl Sum {
    fn add(&mut self, seed: u64, told: &str) {
        self.lives += 1;
        for line in told.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["seed", _, "events", events, "deliveries", deliveries, "ms", ms, ..] => {
                    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
                    self.events += number(events);
                    self.events_min = Some(self.events_min.unwrap_or(u64::MAX).min(number(events)));
                    self.deliveries += number(deliveries);
                    self.virtual_ms += number(ms);
                }
                ["count", name, times] => {
                    *self.counts.entry(name.to_owned()).or_default() += times.parse::<u64>().unwrap_or(0);
                }
                ["violation", what] if self.failed.last().is_none_or(|(last, _)| *last != seed) => {
                    self.failed.push((seed, what.to_owned()));
                }
                _ => {}
            }
        }
    }
}
