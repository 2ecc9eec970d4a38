//! Both brokers, asked the same: requests are made once for each, answers are brought into common words and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use milena_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use milena_protocol::messages::{
    ApiVersionsRequest, FindCoordinatorRequest, HeartbeatRequest, InitProducerIdRequest, MetadataRequest,
};
use milena_protocol::{ByteString, ErrorCode, Request, Uuid, frames};
use milena_tests::{Dice, Flavor, eventually, frame};

use crate::differences::Exchange;
use crate::parked::Parked;
use crate::side::{Answer, Side};
use crate::{groups, text};

/// How long both may take to come to the same answer where Apache Kafka acts on metadata a little later. Only a
/// mismatch takes so long.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// How many of a hundred requests that only read arrive with a byte broken.
const DAMAGED_PERCENT: usize = 4;
/// Where the body of a request begins at the earliest: after size, key, version, correlation id and client id.
const BODY_AT: usize = 21;
/// What is never damaged, because one wrong byte makes a broker wait for long, or create topics.
const NEVER_DAMAGED: &[&str] = &["FetchRequest", "MetadataRequest", "FindCoordinatorRequest"];
/// Mismatches after which a run ends.
const MISMATCHES_MAX: usize = 40;
/// A topic whose configuration shows how far a broker has come.
const SENTINEL: &str = "zz-sentinel";
const PATIENCE: Duration = Duration::from_secs(30);

/// What a request does to the comparison of the next ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it may be asked again.
    Reads,
    /// It changes something at once.
    Writes,
    /// It changes metadata, which a broker of Apache Kafka acts on a little later.
    ChangesMetadata,
}

/// A request that can be shown, as all can.
pub(crate) trait Asked: Request<Response: Clone + Debug> + Debug {}

impl<R: Request<Response: Clone + Debug> + Debug> Asked for R {}

/// Both brokers.
pub(crate) struct Lockstep {
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
    seed: u64,
    step: u64,
    versions: BTreeMap<i16, RangeInclusive<i16>>,
    marks: u64,
    pub(crate) parked: BTreeMap<usize, Parked>,
    /// Requests sent, by API.
    pub(crate) sent: BTreeMap<&'static str, usize>,
    /// Answers that differ on purpose, by difference.
    pub(crate) excused: BTreeMap<&'static str, usize>,
    /// What differs and must not: the first of each kind, and how many there were.
    pub(crate) mismatches: BTreeMap<String, (String, usize)>,
}

impl Lockstep {
    pub(crate) fn start(seed: u64) -> anyhow::Result<Self> {
        let theirs = Side::start(Flavor::Kafka)?;
        let ours = Side::start(Flavor::Milena)?;
        let (sent, excused, mismatches, parked) = Default::default();
        let versions = BTreeMap::new();
        let mut lockstep =
            Self { ours, theirs, seed, step: 0, versions, marks: 0, sent, excused, mismatches, parked };
        let (ours, theirs) = (advertised(&mut lockstep.ours), advertised(&mut lockstep.theirs));
        for (key, versions) in ours {
            let other = theirs.get(&key).unwrap_or_else(|| panic!("Apache Kafka does not know key {key}"));
            let common = *versions.start().max(other.start())..=*versions.end().min(other.end());
            lockstep.versions.insert(key, common);
        }
        for side in [&mut lockstep.ours, &mut lockstep.theirs] {
            create_sentinel(side);
            warm_up(side);
        }
        lockstep.settle();
        Ok(lockstep)
    }

    /// The choices of the next step.
    pub(crate) fn next_step(&mut self) -> Dice {
        self.step += 1;
        Dice::new(self.seed, self.step)
    }

    /// Whether enough has been found.
    pub(crate) fn is_over(&self) -> bool {
        self.mismatches.len() >= MISMATCHES_MAX
    }

    /// Asks both, and compares what they say after `tidy` has taken out what may differ.
    pub(crate) fn ask<R: Asked>(
        &mut self,
        dice: &mut Dice,
        effect: Effect,
        make: impl Fn(&mut Dice, &Side) -> R,
        tidy: impl Fn(&Side, &mut R::Response),
    ) -> Option<(R::Response, R::Response)> {
        let version = self.version::<R>(dice);
        self.ask_at((version, effect), dice, make, tidy)
    }

    /// A version of `R` that both advertise and that our message has.
    pub(crate) fn version<R: Asked>(&self, dice: &mut Dice) -> i16 {
        let versions = &self.versions[&R::KEY];
        let first = *versions.start().max(R::VERSIONS.start());
        dice.between(first.into(), (*versions.end()).into()) as i16
    }

    /// A key that both serve, and its versions.
    pub(crate) fn served(&self, dice: &mut Dice) -> (i16, RangeInclusive<i16>) {
        let keys: Vec<i16> = self.versions.keys().copied().collect();
        let key = dice.of(&keys);
        (key, self.versions[&key].clone())
    }

    pub(crate) fn ask_at<R: Asked>(
        &mut self,
        (version, effect): (i16, Effect),
        dice: &mut Dice,
        make: impl Fn(&mut Dice, &Side) -> R,
        tidy: impl Fn(&Side, &mut R::Response),
    ) -> Option<(R::Response, R::Response)> {
        *self.sent.entry(short_name::<R>()).or_default() += 1;
        let is_safe = effect == Effect::Reads && !NEVER_DAMAGED.contains(&R::NAME);
        let damage = (is_safe && dice.percent(DAMAGED_PERCENT)).then(|| Damage::any(dice));
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let (request, theirs) = ask_one::<R>(&mut self.theirs, (version, damage), dice, &make);
            let (_, ours) = ask_one::<R>(&mut self.ours, (version, damage), dice, &make);
            let shown = (show::<R>(&self.theirs, &theirs, &tidy), show::<R>(&self.ours, &ours, &tidy));
            let request = self.theirs.common_text(&request);
            let exchange = Exchange { api: short_name::<R>(), version, request, answers: shown };
            if !exchange.agrees() && effect == Effect::Reads && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            self.judge(&exchange);
            // " error_code" is that of a topic or resource, not that of its configurations.
            if effect == Effect::ChangesMetadata && exchange.theirs().contains(" error_code: 0,") {
                self.settle();
            }
            return match (theirs, ours) {
                (Answer::Response(theirs), Answer::Response(ours)) => Some((theirs, ours)),
                _ => None,
            };
        }
    }

    /// Notes a difference that is there, as one on purpose or as a mismatch.
    pub(crate) fn judge(&mut self, exchange: &Exchange) {
        if exchange.is_same() {
            return;
        }
        if let Some(difference) = exchange.excuse() {
            *self.excused.entry(difference).or_default() += 1;
            return;
        }
        let Exchange { api, version, request, .. } = exchange;
        let (kind, places) = text::difference(exchange.theirs(), exchange.ours());
        let (seed, step) = (self.seed, self.step);
        let report = || format!("seed {seed} step {step}: {api} version {version}\n  {request}\n{places}");
        self.mismatches.entry(format!("{api} {kind}")).or_insert_with(|| (report(), 0)).1 += 1;
    }

    /// Waits until both know the same topics, and act on them.
    pub(crate) fn await_same_topics(&mut self) {
        eventually("the same topics", PATIENCE, || {
            (topic_names(&mut self.theirs) == topic_names(&mut self.ours)).then_some(())
        });
        self.settle();
    }

    /// Waits until both act on all metadata that they have acknowledged, and learns the ids of topics.
    pub(crate) fn settle(&mut self) {
        // The first mark may become visible in one step with what came before it, the second only after that step.
        for _ in 0..2 {
            self.marks += 1;
            for side in [&mut self.theirs, &mut self.ours] {
                mark(side, self.marks);
            }
        }
        for side in [&mut self.theirs, &mut self.ours] {
            learn_topics(side);
        }
    }
}

/// The name of an API.
pub(crate) fn short_name<R: Asked>() -> &'static str {
    R::NAME.trim_end_matches("Request")
}

/// One byte of a request's body that arrives changed: which, and by how much.
#[derive(Debug, Clone, Copy)]
struct Damage {
    at: usize,
    by: u8,
}

impl Damage {
    fn any(dice: &mut Dice) -> Self {
        Self { at: dice.below(64), by: dice.of(&[1, 2, 16, 127, 128, 255]) }
    }

    fn apply(self, request: &mut [u8]) {
        let body = &mut request[BODY_AT..];
        let at = self.at % body.len();
        body[at] = body[at].wrapping_add(self.by);
    }
}

fn ask_one<R: Asked>(
    side: &mut Side,
    (version, damage): (i16, Option<Damage>),
    dice: &Dice,
    make: &impl Fn(&mut Dice, &Side) -> R,
) -> (String, Answer<R::Response>) {
    let request = make(&mut dice.clone(), side);
    let mut bytes = frame::request_bytes(7, version, &request).to_vec();
    let mut text = format!("{request:?}");
    if let Some(damage) = damage.filter(|_| bytes.len() > BODY_AT) {
        damage.apply(&mut bytes);
        let damaged = frames::parse_request(Bytes::copy_from_slice(&bytes[4..]));
        let damaged = damaged.and_then(|frame| frames::decode_request::<R>(&frame));
        text =
            damaged.map_or_else(|error| format!("{text} damaged: {error}"), |damaged| format!("{damaged:?}"));
    }
    (text, side.exchange_bytes::<R>(&bytes, version))
}

pub(crate) fn show<R: Asked>(
    side: &Side,
    answer: &Answer<R::Response>,
    tidy: &impl Fn(&Side, &mut R::Response),
) -> String {
    match answer {
        Answer::Closed => "closed".to_owned(),
        Answer::Response(response) => {
            let mut response = response.clone();
            tidy(side, &mut response);
            text::masked(&side.common_text(&format!("{response:?}")))
        }
    }
}

fn advertised(side: &mut Side) -> BTreeMap<i16, RangeInclusive<i16>> {
    let request =
        ApiVersionsRequest { client_software_name: "harness".into(), client_software_version: "1".into() };
    let Answer::Response(response) = side.exchange(4, &request) else { panic!("no ApiVersions") };
    response.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect()
}

fn create_sentinel(side: &mut Side) {
    let config = CreatableTopicConfig { name: MARK_KEY.into(), value: Some("1".into()) };
    let topic = CreatableTopic {
        name: SENTINEL.into(),
        num_partitions: 1,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: vec![config],
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let Answer::Response(response) = side.exchange(7, &request) else { panic!("no sentinel") };
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
}

/// Apache Kafka fetches its first producer ids, and creates the topic of groups, when it is first asked.
fn warm_up(side: &mut Side) {
    let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    eventually("a producer id", PATIENCE, || {
        let Answer::Response(response) = side.exchange(4, &request) else { return None };
        (response.error_code == 0).then_some(())
    });
    for group in groups::GROUPS.iter().chain(groups::ODD_GROUPS).filter(|group| !group.is_empty()) {
        let find = FindCoordinatorRequest { key: (*group).into(), ..Default::default() };
        let beat =
            HeartbeatRequest { group_id: (*group).into(), member_id: "none".into(), ..Default::default() };
        eventually("a coordinator", PATIENCE, || {
            let Answer::Response(found) = side.exchange(2, &find) else { return None };
            let Answer::Response(beaten) = side.exchange(2, &beat) else { return None };
            (found.error_code == 0 && beaten.error_code == ErrorCode::UnknownMemberId.code()).then_some(())
        });
    }
}

/// The key whose value tells marks apart.
const MARK_KEY: &str = "retention.bytes";

fn mark(side: &mut Side, number: u64) {
    let config = AlterableConfig {
        name: MARK_KEY.into(),
        config_operation: 0,
        value: Some(number.to_string().into()),
    };
    let resource =
        AlterConfigsResource { resource_type: 2, resource_name: SENTINEL.into(), configs: vec![config] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let Answer::Response(response) = side.exchange(1, &request) else { panic!("no mark") };
    assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: SENTINEL.into(),
        configuration_keys: Some(vec![MARK_KEY.into()]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    eventually("the mark", PATIENCE, || {
        let Answer::Response(response) = side.exchange(4, &request) else { return None };
        let value = response.results[0].configs.first().and_then(|config| config.value.clone());
        (value.as_deref() == Some(&number.to_string())).then_some(())
    });
}

fn all_topics(side: &mut Side) -> Vec<(ByteString, Uuid)> {
    let request = MetadataRequest { topics: None, allow_auto_topic_creation: false, ..Default::default() };
    let Answer::Response(response) = side.exchange(12, &request) else { panic!("no metadata") };
    response.topics.into_iter().filter_map(|topic| Some((topic.name?, topic.topic_id))).collect()
}

fn learn_topics(side: &mut Side) {
    for (name, id) in all_topics(side) {
        side.learn_topic(&name, id);
    }
}

fn topic_names(side: &mut Side) -> BTreeSet<ByteString> {
    all_topics(side).into_iter().map(|(name, _)| name).collect()
}
