//! The table of failovers: for each case what each client noticed, of both peers, and what is to be reached.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Happening;
use super::case::CASES;
use super::clients::FAMILIES;
use super::history::Trouble;
use crate::report::{Goal, Line};
use crate::server::Peer;

/// Of one peer, one case and one client, over all rounds.
#[derive(Debug, Default)]
struct Cell {
    gaps_ms: Vec<f64>,
    replaced_ms: Vec<f64>,
    errors: usize,
    lost: usize,
    duplicates: usize,
}

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By peer, case and client.
    cells: BTreeMap<(&'static str, usize, &'static str), Cell>,
    whole: String,
}

impl Table {
    /// Takes what one client noticed of all `happenings`.
    pub(super) fn add(
        &mut self,
        peer: Peer,
        family: &'static str,
        happenings: &[Happening],
        troubles: &[Trouble],
    ) {
        for (happening, trouble) in happenings.iter().zip(troubles) {
            let cell = self.cells.entry((peer.name(), happening.case, family)).or_default();
            cell.gaps_ms.push(trouble.gap_ms);
            cell.replaced_ms.push(happening.replaced_ms);
            cell.errors += trouble.errors;
            cell.lost += trouble.lost;
            cell.duplicates += trouble.duplicates;
        }
    }

    /// Takes what happened to a client in all, also between the cases.
    pub(super) fn add_whole(&mut self, peer: Peer, family: &str, acknowledged: usize, trouble: Trouble) {
        let Trouble { errors, lost, duplicates, .. } = trouble;
        let _ = writeln!(
            self.whole,
            "{}, {family}: {acknowledged} records acknowledged, {errors} errors, {lost} lost, {duplicates} duplicates.",
            peer.name()
        );
    }

    /// The whole in Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut table = "| case | noticed by | Kafka: median (worst), ms | Milena | / Kafka | to reach, ms | holds | errors, lost, \
                         duplicates: Kafka | Milena |\n|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
        let cases = CASES.iter().enumerate();
        for (index, case) in cases.filter(|(index, _)| self.cells.keys().any(|(_, case, _)| case == index)) {
            let replaced = |cell: &Cell| cell.replaced_ms.clone();
            let line = self.line(index, FAMILIES[0], Goal::None, replaced);
            let _ = writeln!(table, "| {} | metadata {line} | | |", case.name);
            for (family, goal) in FAMILIES.iter().zip(case.goals) {
                let line = self.line(index, family, goal, |cell| cell.gaps_ms.clone());
                let counts = [Peer::Kafka, Peer::Milena].map(|peer| self.counts(peer, index, family));
                let _ = writeln!(table, "| | {family} {line} {} | {} |", counts[0], counts[1]);
            }
        }
        table + "\n" + &self.whole
    }

    fn cell(&self, peer: Peer, case: usize, family: &'static str) -> Option<&Cell> {
        self.cells.get(&(peer.name(), case, family))
    }

    /// Columns of times; the medians are held against the goal.
    fn line(
        &self,
        case: usize,
        family: &'static str,
        goal: Goal,
        times: impl Fn(&Cell) -> Vec<f64>,
    ) -> String {
        let [kafka, milena] = [Peer::Kafka, Peer::Milena]
            .map(|peer| self.cell(peer, case, family).and_then(|cell| Times::of(times(cell))));
        let median = |times: &Option<Times>| times.as_ref().map(|times| times.median);
        let line =
            Line { what: String::new(), kafka: median(&kafka), milena: median(&milena), floor: None, goal };
        let told = |times: Option<Times>| {
            times.map_or(String::new(), |Times { median, worst }| format!("{median:.0} ({worst:.0})"))
        };
        format!(
            "| {} | {} | {} | {} | {} |",
            told(kafka),
            told(milena),
            line.ratio(line.kafka),
            line.goal(),
            line.verdict()
        )
    }

    fn counts(&self, peer: Peer, case: usize, family: &'static str) -> String {
        let told = |cell: &Cell| format!("{}, {}, {}", cell.errors, cell.lost, cell.duplicates);
        self.cell(peer, case, family).map_or(String::new(), told)
    }
}

/// In milliseconds.
#[derive(Debug)]
struct Times {
    median: f64,
    worst: f64,
}

impl Times {
    fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        // Of two the worse.
        Some(Self { median: *times.get(times.len() / 2)?, worst: *times.last()? })
    }
}
