//! What a client was answered, and when; times are microseconds since 1970.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// An acknowledged record.
#[derive(Debug, Clone, Copy)]
struct Answer {
    number: u64,
    time_us: i64,
}

/// Everything that a client told.
#[derive(Debug)]
pub(super) struct History {
    /// Of each partition, in the order they came.
    acknowledged: Vec<Vec<Answer>>,
    /// What was given up: when, and why.
    errors: Vec<(i64, String)>,
}

/// What a client had to bear in a time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trouble {
    /// The longest time without an acknowledgement of a partition, in ms: the partition that had the longest.
    pub(super) gap_ms: f64,
    /// Records that were given up.
    pub(super) errors: usize,
    /// Acknowledged records that cannot be read.
    pub(super) lost: usize,
    /// Acknowledged records that are read more than once.
    pub(super) duplicates: usize,
}

impl History {
    pub(super) fn new(partitions: usize) -> Self {
        Self { acknowledged: vec![Vec::new(); partitions], errors: Vec::new() }
    }

    /// Takes a line of a program; false if it is none.
    pub(super) fn note(&mut self, line: &str) -> bool {
        self.parse(line).is_some()
    }

    fn parse(&mut self, line: &str) -> Option<()> {
        let mut fields = line.splitn(5, ' ');
        let kind = fields.next()?;
        let number = fields.next()?.parse().ok()?;
        let partition: usize = fields.next()?.parse().ok()?;
        let time_us = fields.next()?.parse().ok()?;
        match kind {
            "A" => self.acknowledged.get_mut(partition)?.push(Answer { number, time_us }),
            "E" => self.errors.push((time_us, fields.next().unwrap_or_default().to_owned())),
            _ => return None,
        }
        Some(())
    }

    /// The time of the last acknowledgement of the partition that has waited longest for one.
    pub(super) fn quietest_us(&self) -> i64 {
        let last = |answers: &Vec<Answer>| answers.last().map_or(0, |answer| answer.time_us);
        self.acknowledged.iter().map(last).min().unwrap_or_default()
    }

    /// How many records were acknowledged.
    pub(super) fn count(&self) -> usize {
        self.acknowledged.iter().map(Vec::len).sum()
    }

    /// The different reasons of errors.
    pub(super) fn reasons(&self) -> BTreeSet<&str> {
        self.errors.iter().map(|(_, reason)| reason.as_str()).collect()
    }

    /// What happened in `time`, where `copies` says how often each number was read.
    pub(super) fn trouble(&self, time: &Range<i64>, copies: &BTreeMap<u64, usize>) -> Trouble {
        let gap_us = self.acknowledged.iter().map(|answers| longest_gap(answers, time)).max().unwrap_or(0);
        let answers = self.acknowledged.iter().flatten().filter(|answer| time.contains(&answer.time_us));
        let copies = |answer: &Answer| copies.get(&answer.number).copied().unwrap_or(0);
        let (mut lost, mut duplicates) = (0, 0);
        for count in answers.map(copies) {
            lost += usize::from(count == 0);
            duplicates += usize::from(count > 1);
        }
        let errors = self.errors.iter().filter(|(at, _)| time.contains(at)).count();
        Trouble { gap_ms: gap_us as f64 / 1000.0, errors, lost, duplicates }
    }
}

/// The longest time between two answers, of which at least one is in `time`, or the whole of it without any.
fn longest_gap(answers: &[Answer], time: &Range<i64>) -> i64 {
    let pairs = answers.windows(2).map(|pair| (pair[0].time_us, pair[1].time_us));
    pairs
        .filter(|(from, to)| *to >= time.start && *from < time.end)
        .map(|(from, to)| to - from)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(lines: &[&str]) -> History {
        let mut history = History::new(2);
        lines.iter().for_each(|line| assert!(history.note(line), "{line}"));
        history
    }

    #[test]
    fn the_longest_gap_of_a_partition_counts_also_where_it_began_before() {
        let history = history(&["A 1 0 900", "A 2 1 1100", "A 3 0 5900", "A 4 1 2100", "A 5 0 20000"]);
        let copies = (1..=5).map(|number| (number, 1)).collect();
        assert_eq!(history.trouble(&(1000..6000), &copies).gap_ms, 14.1);
        assert_eq!(history.trouble(&(1000..5000), &copies).gap_ms, 5.0);
        assert_eq!(history.quietest_us(), 2100);
    }

    #[test]
    fn acknowledged_records_are_lost_or_doubled_and_errors_counted() {
        let history = history(&["A 1 0 10", "A 2 0 11", "A 3 1 12", "E 4 1 13 timed out", "E 5 1 99 later"]);
        let copies = BTreeMap::from([(2, 2), (3, 1), (4, 1)]);
        let trouble = history.trouble(&(0..50), &copies);
        assert_eq!((trouble.lost, trouble.duplicates, trouble.errors), (1, 1, 1));
        assert_eq!(history.reasons(), BTreeSet::from(["timed out", "later"]));
    }

    #[test]
    fn a_line_that_is_none_is_told() {
        assert!(!History::new(1).note("Exception in thread"));
        assert!(!History::new(1).note("A 1 7 10"));
    }
}
