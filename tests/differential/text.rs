//! Answers as text: what may differ is masked, and of what does differ the place is shown.

/// Fields whose text is each broker's own; only whether there is one is compared.
const OWN_WORDS: &[&str] = &["error_message: Some(", "documentation: Some("];
/// Bytes shown before the first difference and after it, and those that tell kinds of differences apart.
const SHOWN: (usize, usize, usize) = (400, 200, 24);

/// `text` without what may differ in any answer: error messages, and the clock.
pub(crate) fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    for field in OWN_WORDS {
        masked = mask_strings(&masked, field);
    }
    mask_clock(&masked)
}

fn mask_strings(text: &str, field: &str) -> String {
    let mut pieces = text.split(field);
    let mut masked = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        masked.push_str(field);
        masked.push_str("..");
        masked.push_str(&piece[quoted_len(piece)..]);
    }
    masked
}

/// Length of the quoted string that `text` begins with.
fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Timestamps of the brokers' clocks lie after those that requests carry.
fn mask_clock(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| start + end);
        let number = &rest[start..end];
        masked.push_str(&rest[..start]);
        let is_clock =
            number.len() == 13 && number.parse().is_ok_and(|ms: i64| ms >= *crate::START_MS + crate::HOUR_MS);
        masked.push_str(if is_clock { "<now>" } else { number });
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

/// What tells the first difference of two texts from others, and both texts around it.
pub(crate) fn difference(theirs: &str, ours: &str) -> (String, String) {
    let same = theirs.bytes().zip(ours.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str, before: usize, after: usize| {
        let (from, to) = (same.saturating_sub(before), (same + after).min(text.len()));
        String::from_utf8_lossy(&text.as_bytes()[from.min(to)..to]).into_owned()
    };
    let kind = part(theirs, SHOWN.2, SHOWN.2) + &part(ours, 0, SHOWN.2);
    let (theirs, ours) = (part(theirs, SHOWN.0, SHOWN.1), part(ours, SHOWN.0, SHOWN.1));
    (kind, format!("  Apache Kafka: ..{theirs}\n  Milena:       ..{ours}"))
}
