//! Both brokers, asked the same: requests are made once for each, answers are brought into common words and compared.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use milena_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use milena_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use milena_protocol::messages::{
    ApiVersionsRequest, FindCoordinatorRequest, HeartbeatRequest, InitProducerIdRequest, MetadataRequest,
};
use milena_protocol::{ErrorCode, Request};
use milena_tests::{Flavor, eventually};

use crate::parked::Parked;
use crate::side::{Answer, Side};
use crate::{differences, groups, text};
use milena_tests::Dice;

/// How long both may take to come to the same answer where Apache Kafka acts on metadata a little later.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
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

    pub(crate) fn ask_at<R: Asked>(
        &mut self,
        (version, effect): (i16, Effect),
        dice: &mut Dice,
        make: impl Fn(&mut Dice, &Side) -> R,
        tidy: impl Fn(&Side, &mut R::Response),
    ) -> Option<(R::Response, R::Response)> {
        *self.sent.entry(R::NAME.trim_end_matches("Request")).or_default() += 1;
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let (request, theirs) = ask_one::<R>(&mut self.theirs, version, dice, &make);
            let (_, ours) = ask_one::<R>(&mut self.ours, version, dice, &make);
            let shown = (show::<R>(&self.theirs, &theirs, &tidy), show::<R>(&self.ours, &ours, &tidy));
            let agree = shown.0 == shown.1;
            if !agree && effect == Effect::Reads && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            if !agree {
                self.note::<R>(version, &self.theirs.common_text(&format!("{request:?}")), &shown);
            }
            // " error_code" is that of a topic or resource, not that of its configurations.
            if effect == Effect::ChangesMetadata && shown.0.contains(" error_code: 0,") {
                self.settle();
            }
            return match (theirs, ours) {
                (Answer::Response(theirs), Answer::Response(ours)) => Some((theirs, ours)),
                _ => None,
            };
        }
    }

    /// Judges two answers that are not the same.
    pub(crate) fn note<R: Asked>(&mut self, version: i16, request: &str, (theirs, ours): &(String, String)) {
        let name = R::NAME.trim_end_matches("Request");
        let exchange = differences::Exchange { api: name, request, theirs, ours };
        match differences::excuse(&exchange) {
            Some(difference) => *self.excused.entry(difference).or_default() += 1,
            None => {
                let (kind, places) = text::difference(theirs, ours);
                let (seed, step) = (self.seed, self.step);
                let report =
                    || format!("seed {seed} step {step}: {name} version {version}\n  {request}\n{places}");
                self.mismatches.entry(format!("{name} {kind}")).or_insert_with(|| (report(), 0)).1 += 1;
            }
        }
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

fn ask_one<R: Asked>(
    side: &mut Side,
    version: i16,
    dice: &Dice,
    make: &impl Fn(&mut Dice, &Side) -> R,
) -> (R, Answer<R::Response>) {
    let request = make(&mut dice.clone(), side);
    let answer = side.exchange(version, &request);
    (request, answer)
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

fn learn_topics(side: &mut Side) {
    let request = MetadataRequest { topics: None, allow_auto_topic_creation: false, ..Default::default() };
    let Answer::Response(response) = side.exchange(12, &request) else { panic!("no metadata") };
    for topic in response.topics {
        if let Some(name) = topic.name {
            side.learn_topic(&name, topic.topic_id);
        }
    }
}
