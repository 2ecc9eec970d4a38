//! The table: what was measured of both brokers and of the floor, held against what is to be reached.

use std::fmt::Write as _;

/// What a figure of Milena has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtMostTimesFloor(f64),
    AtMostTimesKafka(f64),
    AtLeastTimesKafka(f64),
    None,
}

/// One measure.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) kafka: Option<f64>,
    pub(crate) milena: Option<f64>,
    pub(crate) floor: Option<f64>,
    pub(crate) goal: Goal,
}

impl Line {
    /// Whether the goal is reached; `None` where there is none, or nothing to compare with.
    fn holds(&self) -> Option<bool> {
        let milena = self.milena?;
        match self.goal {
            Goal::AtMost(limit) => Some(milena <= limit),
            Goal::AtMostTimesFloor(factor) => Some(milena <= factor * self.floor?),
            Goal::AtMostTimesKafka(factor) => Some(milena <= factor * self.kafka?),
            Goal::AtLeastTimesKafka(factor) => Some(milena >= factor * self.kafka?),
            Goal::None => None,
        }
    }

    /// What is to be reached, in words.
    pub(crate) fn goal(&self) -> String {
        match self.goal {
            Goal::AtMost(limit) => format!("<= {limit}"),
            Goal::AtMostTimesFloor(factor) => format!("<= {factor} x floor"),
            Goal::AtMostTimesKafka(factor) => format!("<= {factor:.2} x Kafka"),
            Goal::AtLeastTimesKafka(factor) => format!(">= {factor} x Kafka"),
            Goal::None => String::new(),
        }
    }

    /// Whether it is reached, in words.
    pub(crate) fn verdict(&self) -> &'static str {
        self.holds().map_or("", |holds| if holds { "yes" } else { "**no**" })
    }

    /// How many times `base` it is.
    pub(crate) fn ratio(&self, base: Option<f64>) -> String {
        match (self.milena, base) {
            (Some(milena), Some(base)) if base > 0.0 => format!("{:.2}", milena / base),
            _ => String::new(),
        }
    }

    fn markdown(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            self.what,
            number(self.kafka),
            number(self.milena),
            self.ratio(self.kafka),
            number(self.floor),
            self.ratio(self.floor),
            self.goal(),
            self.verdict()
        )
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value >= 1000.0 => format!("{value:.0}"),
        Some(value) if value >= 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}

/// Every line so far, told on stderr as it comes.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Line>);

impl Report {
    pub(crate) fn push(&mut self, line: Line) {
        eprintln!("{}", line.markdown());
        self.0.push(line);
    }

    /// The whole as a Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let mut table = "| measure | Kafka | Milena | / Kafka | floor | / floor | to reach | holds |\n\
                         |---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for line in &self.0 {
            let _ = writeln!(table, "{}", line.markdown());
        }
        table
    }
}
