//! Where the answers differ on purpose. What a user can notice has its row in ARCHITECTURE.md.
//!
//! A difference explains one situation: which parts of the answers may differ, and how. Whatever else is in the
//! answers must be the same.

/// A request and what both brokers made of it, in common words.
pub(crate) struct Exchange {
    pub(crate) api: &'static str,
    pub(crate) version: i16,
    pub(crate) request: String,
    /// Of Apache Kafka, then of Milena.
    pub(crate) answers: (String, String),
}

impl Exchange {
    pub(crate) fn theirs(&self) -> &str {
        &self.answers.0
    }

    pub(crate) fn ours(&self) -> &str {
        &self.answers.1
    }

    /// Whether the answers are the same.
    pub(crate) fn is_same(&self) -> bool {
        self.theirs() == self.ours()
    }

    /// Whether the answers are the same, or differ on purpose.
    pub(crate) fn agrees(&self) -> bool {
        self.is_same() || self.excuse().is_some()
    }

    /// The difference on purpose that explains the answers.
    pub(crate) fn excuse(&self) -> Option<&'static str> {
        DIFFERENCES.iter().find(|(_, covers)| covers(self)).map(|(name, _)| *name)
    }

    /// Whether the answers differ only in structs named `name`, as `may_differ` allows for theirs and ours.
    fn differs_in(&self, name: &str, may_differ: impl Fn(&str, &str) -> bool) -> bool {
        let (theirs, ours) = (Parts::of(self.theirs(), name), Parts::of(self.ours(), name));
        let mut pairs = theirs.inside.iter().zip(&ours.inside);
        theirs.outside == ours.outside
            && theirs.inside.len() == ours.inside.len()
            && pairs.all(|(theirs, ours)| theirs == ours || may_differ(theirs, ours))
    }

    /// Whether our answer is theirs without structs named `name` that `may_lack` allows to lack.
    fn lacks(&self, name: &str, may_lack: impl Fn(&str) -> bool) -> bool {
        let (theirs, ours) = (Parts::of(self.theirs(), name), Parts::of(self.ours(), name));
        let mut told = ours.inside.iter().peekable();
        let mut is_told = |theirs: &&str| told.next_if(|ours| *ours == theirs).is_some() || may_lack(theirs);
        theirs.outside == ours.outside && theirs.inside.iter().all(&mut is_told) && told.next().is_none()
    }

    /// Whether the request has two structs named `name` that begin with the same two fields.
    fn asks_twice(&self, name: &str) -> bool {
        let key = |part: &&str| part.split(", ").take(2).collect::<Vec<_>>().join(", ");
        let mut keys: Vec<String> = Parts::of(&self.request, name).inside.iter().map(key).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// A text taken apart: the contents of all structs of one name, and the rest.
struct Parts<'a> {
    outside: String,
    inside: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str, name: &str) -> Self {
        let opening = format!("{name} {{");
        let mut parts = Self { outside: String::new(), inside: Vec::new() };
        let mut rest = text;
        while let Some(start) = rest.find(&opening) {
            parts.outside.push_str(&rest[..start]);
            let inside = &rest[start + opening.len()..];
            let end = closing(inside);
            parts.inside.push(inside[..end].trim());
            let after = inside[end..].strip_prefix('}').unwrap_or_default();
            rest = after.strip_prefix(", ").unwrap_or(after);
        }
        parts.outside.push_str(rest);
        parts
    }

    /// The text with those structs left out that `is_out` names.
    fn without(&self, is_out: impl Fn(&str) -> bool) -> String {
        let kept: Vec<&str> = self.inside.iter().copied().filter(|inside| !is_out(inside)).collect();
        format!("{} {}", self.outside, kept.join(" | "))
    }
}

/// Where the brace closes that was opened before `text`.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// A difference on purpose: what differs and why, and which exchanges it explains.
type Difference = (&'static str, fn(&Exchange) -> bool);

const UNBUILT_FEATURES: &[&str] = &[
    "group.version",
    "transaction.version",
    "share.version",
    "streams.version",
    // Only the level of Kafka 4.3.
    "metadata.version",
];

/// What Apache Kafka did not foresee: the API, the part of the answer that says so, and what the request then has.
const UNFORESEEN: &[(&str, &str, &[&str])] = &[
    // Isolation levels that there are not, and negative sizes.
    ("Fetch", "PartitionData", &["isolation_level: 2,", "isolation_level: -1,", "max_bytes: -"]),
    ("ListOffsets", "ListOffsetsPartitionResponse", &["isolation_level: 2,", "isolation_level: -1,"]),
    ("DescribeTopicPartitions", "DescribeTopicPartitionsResponseTopic", &["name: \"\""]),
    // More partitions than one request may add.
    ("CreatePartitions", "CreatePartitionsTopicResult", &["count: 20000,", "count: 2147483647,"]),
    // Operations that there are not, and what has no name.
    (
        "IncrementalAlterConfigs",
        "AlterConfigsResourceResponse",
        &["config_operation: 4,", "config_operation: -1,", "resource_name: \"\""],
    ),
    ("AlterConfigs", "AlterConfigsResourceResponse", &["resource_name: \"\""]),
    // A member that has an id but did not join yet comes as a static one.
    ("JoinGroup", "JoinGroupResponse", &["group_instance_id: Some("]),
    // Compressed blocks that cannot be decompressed.
    ("Produce", "PartitionProduceResponse", &["records: Some("]),
];

/// Keys of APIs that are not built: security, transactions, the quorum's voters, reassignments, quotas, telemetry, groups
/// of the consumer, share and streams kinds.
const UNADVERTISED: &[i16] = &[
    17, 24, 25, 26, 27, 28, 29, 30, 31, 34, 36, 38, 39, 40, 41, 43, 45, 46, 48, 49, 50, 51, 55, 61, 64, 65,
    66, 68, 69, 71, 72, 73, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92,
];

const DIFFERENCES: &[Difference] = &[
    ("what is not built is not advertised", |exchange| {
        let is_unbuilt = |api: &str| {
            let number = api.strip_prefix("api_key: ").and_then(|rest| rest.split(',').next());
            number.and_then(|key| key.parse().ok()).is_some_and(|key: i16| UNADVERTISED.contains(&key))
        };
        let built = |text: &str| {
            let apis = Parts::of(text, "ApiVersion").without(is_unbuilt);
            let features = Parts::of(&apis, "SupportedFeatureKey");
            features.without(|feature| !feature.contains("\"kraft.version\""))
        };
        exchange.api == "ApiVersions" && built(exchange.theirs()) == built(exchange.ours())
    }),
    ("levels of features that are not built are refused", |exchange| {
        let is_unbuilt = |name: &&str| exchange.request.contains(&format!("feature: \"{name}\""));
        exchange.api == "UpdateFeatures"
            && exchange.ours().contains("error_code: 95,")
            && UNBUILT_FEATURES.iter().any(is_unbuilt)
    }),
    (
        "a string that is not UTF-8 closes the connection: Apache Kafka reads it with other characters",
        |exchange| exchange.ours() == "closed" && exchange.request.contains("string is not UTF-8"),
    ),
    ("a refused join leaves an empty group behind: here it leaves none", |exchange| {
        let is_left = |group: &str| group.contains("protocol_type: \"\", group_state: \"Empty\"");
        let is_described = |theirs: &str, ours: &str| {
            theirs.contains("group_state: \"Empty\", protocol_type: \"\"")
                && ours.contains("group_state: \"Dead\"")
        };
        let is_deleted =
            |theirs: &str, ours: &str| theirs.contains("error_code: 0") && ours.contains("error_code: 69");
        match exchange.api {
            "ListGroups" => exchange.lacks("ListedGroup", is_left),
            "DescribeGroups" => exchange.differs_in("DescribedGroup", is_described),
            "DeleteGroups" => exchange.differs_in("DeletableGroupResult", is_deleted),
            _ => false,
        }
    }),
    (
        "a sync that waits for the leader ends when its member is removed: in Apache Kafka it ends never",
        |exchange| {
            exchange.api == "SyncGroup"
                && exchange.theirs() == "waits"
                && exchange.ours().contains("error_code: 25,")
        },
    ),
    ("batches that are compressed anew may have another size", |exchange| {
        let size = |part: &str| number_after(part, "partition_size: ");
        let is_near = |theirs: &str, ours: &str| size(theirs).abs_diff(size(ours)) <= size(theirs) / 10;
        exchange.api == "DescribeLogDirs" && exchange.differs_in("DescribeLogDirsPartition", is_near)
    }),
    (
        "of records that DeleteRecords left, those in the segment of the first deleted are not found by time",
        |exchange| {
            let is_missed = |theirs: &str, ours: &str| {
                [theirs, ours].iter().all(|answer| answer.contains("error_code: 0,"))
                    && theirs.contains(" timestamp: -1, offset: -1,")
                    && !ours.contains(" timestamp: -1,")
            };
            exchange.api == "ListOffsets" && exchange.differs_in("ListOffsetsPartitionResponse", is_missed)
        },
    ),
    ("Java's loggers are listed and described as configurations: there are none here", |exchange| {
        let is_logger = |answer: &str| answer.contains("resource_type: 8,");
        match exchange.api {
            "ListConfigResources" => {
                exchange.lacks("ConfigResource", |theirs| theirs.contains("resource_type: 8"))
            }
            "DescribeConfigs" => exchange.differs_in("DescribeConfigsResult", |theirs, _| is_logger(theirs)),
            "AlterConfigs" => {
                exchange.differs_in("AlterConfigsResourceResponse", |theirs, _| is_logger(theirs))
            }
            "IncrementalAlterConfigs" => {
                exchange.differs_in("AlterConfigsResourceResponse", |theirs, _| is_logger(theirs))
            }
            _ => false,
        }
    }),
    (
        "what Apache Kafka did not foresee is UNKNOWN_SERVER_ERROR: here it is refused as what it is",
        |exchange| {
            let is_unforeseen = |answer: &str| answer.contains("error_code: -1,");
            let fails = |theirs: &str, ours: &str| is_unforeseen(theirs) && !is_unforeseen(ours);
            UNFORESEEN.iter().any(|(api, part, words)| {
                let whole = format!("{api}Response {{ throttle_time_ms: 0, error_code: -1,");
                let fails_whole = || {
                    let parts = Parts::of(exchange.theirs(), part).inside;
                    exchange.theirs().starts_with(&whole) || parts.iter().all(|part| is_unforeseen(part))
                };
                exchange.api == *api
                    && words.iter().any(|words| exchange.request.contains(words))
                    && (exchange.differs_in(part, fails) || fails_whole())
            })
        },
    ),
    (
        "the same resource twice in AlterConfigs closes the connection: here both are INVALID_REQUEST",
        |exchange| {
            exchange.api == "AlterConfigs"
                && exchange.theirs() == "closed"
                && exchange.asks_twice("AlterConfigsResource")
        },
    ),
    (
        "the same resource twice in DescribeConfigs is answered twice: here once, to bound the answer",
        |exchange| {
            exchange.api == "DescribeConfigs"
                && exchange.asks_twice("DescribeConfigsResource")
                && exchange.lacks("DescribeConfigsResult", |_| true)
        },
    ),
    ("the same group twice in OffsetFetch is answered twice: here once, to bound the answer", |exchange| {
        exchange.api == "OffsetFetch"
            && exchange.asks_twice("OffsetFetchRequestGroup")
            && exchange.lacks("OffsetFetchResponseGroup", |_| true)
    }),
    (
        "the same partition twice in DescribeProducers is answered twice: here once, to bound the answer",
        |exchange| {
            let theirs = Parts::of(exchange.theirs(), "PartitionResponse").inside;
            let is_told_twice = |part: &str| theirs.iter().filter(|other| **other == part).count() > 1;
            exchange.api == "DescribeProducers" && exchange.lacks("PartitionResponse", is_told_twice)
        },
    ),
    ("null records close the connection: here they are INVALID_RECORD", |exchange| {
        exchange.api == "Produce"
            && exchange.theirs() == "closed"
            && exchange.request.contains("records: None")
    }),
    ("a hash order decides which member leads: here the smallest id does", |exchange| {
        let followed = |answer: &str| {
            let (before, after) = answer.split_once(" leader: ").unwrap_or((answer, ""));
            let (_, after) = after.split_once(", ").unwrap_or_default();
            let (after, _) = after.split_once(" members: ").unwrap_or((after, ""));
            format!("{before}{after}")
        };
        exchange.api == "JoinGroup"
            && exchange.ours().contains(" error_code: 0,")
            && followed(exchange.theirs()) == followed(exchange.ours())
    }),
    (
        "Metadata answers an automatic creation with its outcome: Apache Kafka creates the topic meanwhile",
        |exchange| {
            let is_created = |theirs: &str, ours: &str| {
                let is_made = ["error_code: 0,", "error_code: 17,"].iter().any(|code| ours.starts_with(code));
                theirs.starts_with("error_code: 3,") && is_made
            };
            exchange.api == "Metadata"
                && exchange.request.contains("allow_auto_topic_creation: true")
                && exchange.differs_in("MetadataResponseTopic", is_created)
        },
    ),
];

/// The number that follows `field`, 0 where there is none.
fn number_after(text: &str, field: &str) -> u64 {
    let after = text.split(field).nth(1).unwrap_or_default();
    after.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
