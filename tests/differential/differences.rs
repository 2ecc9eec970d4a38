//! Where the answers differ on purpose. What a user can notice has its row in ARCHITECTURE.md.

/// A request and two answers that are not the same, in common words.
pub(crate) struct Exchange<'a> {
    pub(crate) api: &'static str,
    pub(crate) version: i16,
    pub(crate) request: &'a str,
    pub(crate) theirs: &'a str,
    pub(crate) ours: &'a str,
}

/// A difference on purpose.
struct Difference {
    /// What differs, and why.
    name: &'static str,
    covers: fn(&Exchange<'_>) -> bool,
}

const DIFFERENCES: &[Difference] = &[];

/// The difference on purpose that explains two answers.
pub(crate) fn excuse(exchange: &Exchange<'_>) -> Option<&'static str> {
    DIFFERENCES.iter().find(|difference| (difference.covers)(exchange)).map(|difference| difference.name)
}
