//! The rules for topic names, in the words of Kafka's refusals.

/// Longest topic name, in characters.
pub const LENGTH_MAX: usize = 249;
/// The topic of committed offsets and groups.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// The topic of transactions.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// The topic of share group state.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";
/// The metadata log, which is no topic that anybody may create.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Whether clients are told that the topic is internal.
pub fn is_internal(name: &str) -> bool {
    [CONSUMER_OFFSETS, TRANSACTION_STATE, SHARE_GROUP_STATE].contains(&name)
}

/// Checks `name`; the error is the message for the client.
pub fn validate(name: &str) -> Result<(), String> {
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.chars().count() > LENGTH_MAX {
        format!("the length of '{name}' is longer than the max allowed length {LENGTH_MAX}")
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(format!("Topic name is invalid: {reason}"))
}

/// What names of metrics make of a topic's name; `None` if they take it as it is. Two topics of one such name could not be
/// told apart.
pub fn in_metrics(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::{in_metrics, validate};

    #[test]
    fn names_follow_the_rules_of_kafka() {
        for good in ["a", "truck_gps", "ecommerce.order.event.created.v1", "...", &"a".repeat(249)] {
            assert_eq!(validate(good), Ok(()), "{good}");
        }
        let refused = |name: &str| validate(name).expect_err("refused");
        assert_eq!(refused(""), "Topic name is invalid: the empty string is not allowed");
        assert_eq!(refused(".."), "Topic name is invalid: '..' is not allowed");
        let message = "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
        assert_eq!(refused("a b"), message);
        assert!(refused(&"a".repeat(250)).ends_with("is longer than the max allowed length 249"));
        assert!(refused("grün").contains("other than ASCII"));
    }

    #[test]
    fn names_look_alike_when_only_dots_and_underscores_differ() {
        assert_eq!(in_metrics("a.b"), in_metrics("a_b"));
        assert_eq!(in_metrics("a-b"), None);
    }
}
