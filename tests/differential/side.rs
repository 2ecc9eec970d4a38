//! One of the two brokers: its connections, and what it calls things that the other calls differently.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::TcpStream;

use bytes::Bytes;
use milena_protocol::{Request, Uuid, frames};
use milena_tests::{Flavor, TestBroker, frame};

use crate::parked;
use crate::sessions::Session;

/// Settings of both brokers.
const SETTINGS: &[(&str, &str)] = &[
    ("num.partitions", "2"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("log.segment.bytes", "1048576"),
    ("transaction.state.log.num.partitions", "2"),
    // What a broker does by the clock would not come at the same step.
    ("log.cleaner.backoff.ms", "86400000"),
    ("log.initial.task.delay.ms", "86400000"),
];

/// What a broker answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer<R> {
    Response(R),
    Closed,
}

/// One of the two brokers.
pub(crate) struct Side {
    pub(crate) broker: TestBroker,
    stream: TcpStream,
    topic_ids: BTreeMap<String, Uuid>,
    /// Its own words, and those of the comparison.
    words: BTreeMap<String, String>,
    members: BTreeMap<usize, String>,
    generations: BTreeMap<&'static str, i32>,
    clients: BTreeMap<usize, TcpStream>,
    /// The fetch session of the one reader that has one.
    pub(crate) session: Session,
}

impl Side {
    pub(crate) fn start(flavor: Flavor) -> anyhow::Result<Self> {
        let broker = TestBroker::start_with(flavor, SETTINGS)?;
        let stream = frame::connect(&broker.bootstrap())?;
        let mut words = BTreeMap::new();
        words.insert(broker.data().to_string_lossy().into_owned(), "<data>".to_owned());
        for port in broker.ports() {
            words.insert(port.to_string(), "<port>".to_owned());
        }
        let (topic_ids, members, generations, clients, session) = Default::default();
        Ok(Self { broker, stream, topic_ids, words, members, generations, clients, session })
    }

    pub(crate) fn flavor(&self) -> Flavor {
        self.broker.flavor()
    }

    /// Sends a request and waits for what comes back; a closed connection is opened again.
    pub(crate) fn exchange<R: Request>(&mut self, version: i16, request: &R) -> Answer<R::Response> {
        self.exchange_bytes::<R>(&frame::request_bytes(7, version, request), version)
    }

    /// The same with the bytes of a request.
    pub(crate) fn exchange_bytes<R: Request>(&mut self, request: &[u8], version: i16) -> Answer<R::Response> {
        match self.round_trip(request) {
            Ok(bytes) => Answer::Response(decode::<R>(bytes, version, self.flavor())),
            Err(_) => {
                self.reconnect();
                Answer::Closed
            }
        }
    }

    /// The same with bytes that may be no request, and whatever comes back as text.
    pub(crate) fn exchange_raw(&mut self, request: &[u8]) -> String {
        match self.round_trip(request) {
            Ok(bytes) => format!("{bytes:?}"),
            Err(_) => {
                self.reconnect();
                "closed".to_owned()
            }
        }
    }

    /// Sends a request that has no answer.
    pub(crate) fn send(&mut self, request: &[u8]) {
        // A connection that breaks here is seen as closed by the next request.
        self.stream.write_all(request).ok();
    }

    fn round_trip(&mut self, request: &[u8]) -> io::Result<Bytes> {
        self.stream.write_all(request)?;
        frame::read_frame(&mut self.stream)
    }

    fn reconnect(&mut self) {
        self.stream = frame::connect(&self.broker.bootstrap()).expect("a broker that listens");
    }

    /// The id of the topic of this name, the last one where it was deleted.
    pub(crate) fn topic_id(&self, name: &str) -> Uuid {
        self.topic_ids.get(name).copied().unwrap_or_else(|| Uuid::from_u128(0x00de_ad00 + name.len() as u128))
    }

    /// Remembers the id of a topic that was just seen.
    pub(crate) fn learn_topic(&mut self, name: &str, id: Uuid) {
        if self.topic_ids.insert(name.to_owned(), id) != Some(id) {
            let count =
                self.words.values().filter(|word| word.starts_with(&format!("<id of {name:?}"))).count();
            self.words.insert(id.to_string(), format!("<id of {name:?}, {count}>"));
        }
    }

    /// The member id that was given to the client in `slot`.
    pub(crate) fn member(&self, slot: usize) -> String {
        self.members.get(&slot).cloned().unwrap_or_default()
    }

    /// Remembers the member id of the client in `slot`.
    pub(crate) fn learn_member(&mut self, slot: usize, member: &str) {
        if !member.is_empty() && self.members.insert(slot, member.to_owned()).as_deref() != Some(member) {
            let count =
                self.words.values().filter(|word| word.starts_with(&format!("<member {slot},"))).count();
            self.words.insert(member.to_owned(), format!("<member {slot}, {count}>"));
        }
    }

    /// The generation in which a client of the group was last.
    pub(crate) fn generation(&self, group: &str) -> i32 {
        self.generations.get(group).copied().unwrap_or(1)
    }

    /// Remembers the generation of a group.
    pub(crate) fn learn_generation(&mut self, group: &'static str, generation: i32) {
        self.generations.insert(group, generation);
    }

    /// Sends a request over the connection of the client in `slot`.
    pub(crate) fn send_as(&mut self, slot: usize, request: &[u8]) {
        let address = self.broker.bootstrap();
        let stream = self
            .clients
            .entry(slot)
            .or_insert_with(|| frame::connect(&address).expect("a broker that listens"));
        // A connection that breaks here is seen as closed by whoever waits for the answer.
        stream.write_all(request).ok();
    }

    /// What has arrived for the client in `slot`: nothing yet, a closed connection, or an answer.
    pub(crate) fn arrived(&mut self, slot: usize) -> Option<Option<Bytes>> {
        match parked::poll(self.clients.get_mut(&slot)?) {
            Ok(None) => None,
            Ok(Some(frame)) => Some(Some(frame)),
            Err(_) => {
                self.hang_up(slot);
                Some(None)
            }
        }
    }

    /// Ends the connection of the client in `slot`.
    pub(crate) fn hang_up(&mut self, slot: usize) {
        self.clients.remove(&slot);
    }

    /// What the comparison calls `word`.
    pub(crate) fn common_name(&self, word: &str) -> String {
        self.words.get(word).cloned().unwrap_or_else(|| word.to_owned())
    }

    /// `text` with this side's own words replaced.
    pub(crate) fn common_text(&self, text: &str) -> String {
        let mut common = String::with_capacity(text.len());
        let mut rest = text;
        // Words are looked up whole, so that a port does not match inside a longer number.
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '/') {
            let is_inside = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
            let end = rest[start..].find(|c: char| !is_inside(c)).map_or(rest.len(), |end| start + end);
            common.push_str(&rest[..start]);
            common.push_str(&self.common_word(&rest[start..end]));
            rest = &rest[end..];
        }
        common.push_str(rest);
        common
    }

    fn common_word(&self, word: &str) -> String {
        match self.words.get(word) {
            Some(common) => common.clone(),
            None if is_uuid(word) && word != NIL => "<new id>".to_owned(),
            None if ends_with_uuid(word) => "<new member>".to_owned(),
            None => word.to_owned(),
        }
    }
}

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Whether it is a member id: what the client calls itself, and a UUID.
fn ends_with_uuid(word: &str) -> bool {
    word.len()
        .checked_sub(NIL.len())
        .and_then(|start| word.get(start..))
        .is_some_and(|end| end != NIL && is_uuid(end))
}

fn is_uuid(word: &str) -> bool {
    word.len() == NIL.len() && Uuid::parse_str(word).is_ok()
}

pub(crate) fn decode<R: Request>(bytes: Bytes, version: i16, flavor: Flavor) -> R::Response {
    let shown = bytes.clone();
    frames::decode_response::<R>(bytes, version)
        .unwrap_or_else(|error| panic!("{} {version} of {flavor:?}: {error} in {shown:?}", R::NAME))
}
