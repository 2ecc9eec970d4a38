//! Where the answers differ on purpose. What a user can notice has its row in ARCHITECTURE.md.

/// A request and two answers that are not the same, in common words.
pub(crate) struct Exchange<'a> {
    pub(crate) api: &'static str,
    pub(crate) request: &'a str,
    pub(crate) theirs: &'a str,
    pub(crate) ours: &'a str,
}

/// A difference on purpose: what differs and why, and which exchanges it explains.
type Difference = (&'static str, fn(&Exchange<'_>) -> bool);

const DIFFERENCES: &[Difference] = &[
    ("a refused join leaves an empty group behind: here it leaves none", |exchange| {
        let groups = |answer: &str| answer.matches("ListedGroup {").count();
        exchange.api == "ListGroups"
            && groups(exchange.theirs) > groups(exchange.ours)
            && exchange.theirs.contains("protocol_type: \"\", group_state: \"Empty\"")
    }),
    (
        "of records that DeleteRecords left, those in the segment of the first deleted are not found by time",
        |exchange| {
            let missed = |answer: &str| answer.matches(" offset: -1").count();
            exchange.api == "ListOffsets" && missed(exchange.theirs) > missed(exchange.ours)
        },
    ),
    ("Java's loggers are listed and described as configurations: there are none here", |exchange| {
        exchange.request.contains("resource_type: 8")
            || (exchange.api == "ListConfigResources" && exchange.theirs.contains("resource_type: 8"))
    }),
    (
        "what Apache Kafka did not foresee is UNKNOWN_SERVER_ERROR: here it is refused as what it is",
        |exchange| exchange.theirs.contains("error_code: -1"),
    ),
    (
        "the same resource twice in AlterConfigs closes the connection: here both are INVALID_REQUEST",
        |exchange| exchange.api == "AlterConfigs" && exchange.theirs == "closed",
    ),
    (
        "the same resource twice in DescribeConfigs is answered twice: here once, to bound the answer",
        |exchange| {
            exchange.api == "DescribeConfigs"
                && exchange.request.matches("DescribeConfigsResource {").count() > 1
                && exchange.theirs.len() > exchange.ours.len()
        },
    ),
    ("null records close the connection: here they are INVALID_RECORD", |exchange| {
        exchange.api == "Produce" && exchange.theirs == "closed" && exchange.request.contains("records: None")
    }),
    ("a hash order decides which member leads: here the smallest id does", |exchange| {
        let leader = |answer: &str| {
            answer.split("leader: ").nth(1).and_then(|rest| rest.split(',').next()).map(str::to_owned)
        };
        exchange.api == "JoinGroup"
            && [exchange.theirs, exchange.ours].iter().all(|answer| answer.contains(" error_code: 0,"))
            && leader(exchange.theirs) != leader(exchange.ours)
    }),
    ("a refused batch is refused in words, not by a code alone", |exchange| {
        exchange.api == "Produce" && wordless(exchange.theirs) == wordless(exchange.ours)
    }),
    (
        "of a bad batch that comes with wrong acks or to no partition, another fault may be named",
        |exchange| {
            let is_refused =
                |answer: &str| !answer.contains("error_code: 0") && answer.contains("error_code: ");
            let has_another = exchange.request.contains("acks: 2")
                || exchange.request.contains("acks: -2")
                || exchange.theirs.contains("error_code: 76,")
                || exchange.ours.contains("error_code: 3,")
                || exchange.ours.contains("error_code: 100,");
            exchange.api == "Produce"
                && has_another
                && is_refused(exchange.theirs)
                && is_refused(exchange.ours)
        },
    ),
];

/// An answer to Produce without its error messages, and without the log start of what was refused.
fn wordless(answer: &str) -> String {
    let field = "log_start_offset: ";
    let answer = answer.replace("error_message: Some(..)", "error_message: None");
    let mut pieces = answer.split(field);
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    let mut is_refused = kept.contains("base_offset: -1,");
    for piece in pieces {
        let end = piece.find(',').filter(|_| is_refused).unwrap_or_default();
        kept.push_str(field);
        kept.push_str(&piece[end..]);
        is_refused = piece.contains("base_offset: -1,");
    }
    kept
}

/// The difference on purpose that explains two answers.
pub(crate) fn excuse(exchange: &Exchange<'_>) -> Option<&'static str> {
    DIFFERENCES.iter().find(|(_, covers)| covers(exchange)).map(|(name, _)| *name)
}
