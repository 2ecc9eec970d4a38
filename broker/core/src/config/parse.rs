//! From text to a typed, validated [`Value`], with the error texts of Kafka's `ConfigDef`.

use super::{ConfigError, Key, Type, Valid};

/// A parsed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a `Boolean` key.
    Boolean(bool),
    /// Of an `Int`, `Short` or `Long` key.
    Integer(i64),
    /// Of a `Double` key.
    Real(f64),
    /// Of a `String`, `Class` or `Password` key.
    Text(String),
    /// Of a `List` key.
    List(Vec<String>),
}

/// Splits a list value. Blank text is the empty list.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    text.split(',').map(str::trim).filter(move |_| !text.is_empty())
}

pub(super) fn parse(key: &Key, text: &str) -> Result<Value, ConfigError> {
    let value = parse_type(key, text)?;
    validate(key, &value)?;
    Ok(match (value, key.valid) {
        (Value::List(entries), Valid::Entries(_) | Valid::Any) => Value::List(distinct(entries)),
        (value, _) => value,
    })
}

fn parse_type(key: &Key, text: &str) -> Result<Value, ConfigError> {
    let trimmed = text.trim();
    let not_a_number = || invalid(key, text, &format!("Not a number of type {}", key.value_type.name()));
    match key.value_type {
        Type::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        Type::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        Type::Boolean => Err(invalid(key, text, "Expected value to be either true or false")),
        Type::Int => trimmed.parse::<i32>().map(|n| Value::Integer(n.into())).map_err(|_| not_a_number()),
        Type::Short => trimmed.parse::<i16>().map(|n| Value::Integer(n.into())).map_err(|_| not_a_number()),
        Type::Long => trimmed.parse::<i64>().map(Value::Integer).map_err(|_| not_a_number()),
        Type::Double => trimmed.parse::<f64>().map(Value::Real).map_err(|_| not_a_number()),
        Type::List => Ok(Value::List(list(trimmed).map(str::to_owned).collect())),
        Type::String | Type::Class | Type::Password => Ok(Value::Text(trimmed.to_owned())),
    }
}

fn validate(key: &Key, value: &Value) -> Result<(), ConfigError> {
    match (key.valid, value) {
        (Valid::AtLeast(min), Value::Integer(n)) => bounds(key, *n, min, i64::MAX),
        (Valid::Between(min, max), Value::Integer(n)) => bounds(key, *n, min, max),
        (Valid::Ratio(min, max), Value::Real(real)) => real_bounds(key, *real, min, max),
        (Valid::GzipLevel, Value::Integer(n)) if *n != -1 && !(1..=9).contains(n) => {
            Err(invalid(key, &n.to_string(), "Value must be between 1 and 9 or equal to -1"))
        }
        (Valid::OneOf(words), Value::Text(text)) => one_of(key, text, words),
        (Valid::OneOfIgnoringCase(words), Value::Text(text)) => one_of_ignoring_case(key, text, words),
        (Valid::Entries(words), Value::List(entries)) => {
            entries.iter().try_for_each(|e| one_of(key, e, words))
        }
        (Valid::DistinctEntries(words), Value::List(entries)) => {
            non_empty(key, entries, &format!("[{}]", words.join(", ")))?;
            no_duplicates(key, entries)?;
            entries.iter().try_for_each(|entry| one_of(key, entry, words))
        }
        (Valid::DistinctNonEmpty, Value::List(entries)) => {
            non_empty(key, entries, "any non-empty value")?;
            no_duplicates(key, entries)
        }
        (Valid::NonEmpty, Value::Text(text)) if text.is_empty() => {
            Err(invalid(key, text, "String must be non-empty"))
        }
        (Valid::ThrottledReplicas, Value::List(entries)) => throttled_replicas(key, entries),
        (Valid::OffsetReset, Value::Text(text)) => offset_reset(key, text),
        _ => Ok(()),
    }
}

fn invalid(key: &Key, value: &str, reason: &str) -> ConfigError {
    let shown = if key.is_sensitive() { "[hidden]" } else { value };
    ConfigError(format!("Invalid value {shown} for configuration {}: {reason}", key.name))
}

fn bounds(key: &Key, value: i64, min: i64, max: i64) -> Result<(), ConfigError> {
    if value < min {
        return Err(invalid(key, &value.to_string(), &format!("Value must be at least {min}")));
    }
    if value > max {
        return Err(invalid(key, &value.to_string(), &format!("Value must be no more than {max}")));
    }
    Ok(())
}

fn real_bounds(key: &Key, value: f64, min: f64, max: f64) -> Result<(), ConfigError> {
    if value < min || value.is_nan() {
        return Err(invalid(key, &format!("{value:?}"), &format!("Value must be at least {min}")));
    }
    if value > max {
        return Err(invalid(key, &format!("{value:?}"), &format!("Value must be no more than {max}")));
    }
    Ok(())
}

fn one_of(key: &Key, text: &str, words: &[&str]) -> Result<(), ConfigError> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(invalid(key, text, &format!("String must be one of: {}", words.join(", "))))
}

fn one_of_ignoring_case(key: &Key, text: &str, words: &[&str]) -> Result<(), ConfigError> {
    if words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    Err(invalid(key, text, &format!("String must be one of (case insensitive): {}", words.join(", "))))
}

fn non_empty(key: &Key, entries: &[String], choices: &str) -> Result<(), ConfigError> {
    if entries.is_empty() {
        let message =
            format!("Configuration '{}' must not be empty. Valid values include: {choices}", key.name);
        return Err(ConfigError(message));
    }
    Ok(())
}

fn no_duplicates(key: &Key, entries: &[String]) -> Result<(), ConfigError> {
    if distinct(entries.to_vec()).len() != entries.len() {
        return Err(ConfigError(format!("Configuration '{}' values must not be duplicated.", key.name)));
    }
    Ok(())
}

/// The entries in order, each once.
fn distinct(entries: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(entries.len());
    for entry in entries {
        if !kept.contains(&entry) {
            kept.push(entry);
        }
    }
    kept
}

fn throttled_replicas(key: &Key, entries: &[String]) -> Result<(), ConfigError> {
    let pair = |entry: &String| {
        entry.split_once(':').is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    if entries.is_empty() || entries == ["*"] || entries.iter().all(pair) {
        return Ok(());
    }
    let reason = format!(
        "{} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        key.name
    );
    Err(invalid(key, &format!("[{}]", entries.join(", ")), &reason))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn offset_reset(key: &Key, text: &str) -> Result<(), ConfigError> {
    let by_duration = || text.strip_prefix("by_duration:").is_some_and(is_positive_duration);
    if ["latest", "earliest"].contains(&text) || by_duration() {
        return Ok(());
    }
    let reason = "value must be one of: latest, earliest, by_duration:<ISO8601 duration>";
    Err(invalid(key, text, reason))
}

/// `PnDTnHnMn.nS` with at least one number and no sign.
fn is_positive_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    let known = |c: char| c.is_ascii_digit() || "DTHMS.".contains(c);
    rest.chars().all(known)
        && rest.chars().any(|c| c.is_ascii_digit())
        && rest.ends_with(['D', 'H', 'M', 'S'])
}
