//! Where the answers differ on purpose. What a user can notice has its row in ARCHITECTURE.md.

/// A request and two answers that are not the same, in common words.
pub(crate) struct Exchange<'a> {
    pub(crate) api: &'static str,
    pub(crate) request: &'a str,
    pub(crate) theirs: &'a str,
}

/// A difference on purpose: what differs and why, and which exchanges it explains.
type Difference = (&'static str, fn(&Exchange<'_>) -> bool);

const DIFFERENCES: &[Difference] = &[
    ("Java's loggers are listed and described as configurations: there are none here", |exchange| {
        exchange.request.contains("resource_type: 8")
            || (exchange.api == "ListConfigResources" && exchange.theirs.contains("resource_type: 8"))
    }),
    (
        "an unknown operation fails the whole request as a defect of the server: here it is INVALID_REQUEST",
        |exchange| exchange.api == "IncrementalAlterConfigs" && exchange.theirs.contains("error_code: -1"),
    ),
    (
        "an empty topic name is a defect of the server to the authorizer: here the topic is invalid",
        |exchange| exchange.theirs.contains("error_code: -1") && exchange.request.contains("name: \"\""),
    ),
    (
        "the same resource twice in AlterConfigs closes the connection: here both are INVALID_REQUEST",
        |exchange| exchange.api == "AlterConfigs" && exchange.theirs == "closed",
    ),
];

/// The difference on purpose that explains two answers.
pub(crate) fn excuse(exchange: &Exchange<'_>) -> Option<&'static str> {
    DIFFERENCES.iter().find(|(_, covers)| covers(exchange)).map(|(name, _)| *name)
}
