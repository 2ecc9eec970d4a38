//! The coordinator driven as the shell drives it: handle, append, replay; the clock and the log are plain values.

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::messages::client_data::consumer_protocol_subscription::ConsumerProtocolSubscription;
use milena_protocol::{ErrorCode, LeaderEpoch, Message, Offset, PartitionIndex, TopicId, Uuid};

use super::*;

mod assignment;
mod expiry;
mod foreign;
mod joining;
mod offsets;
mod property;
mod statics;

const GROUP: &str = "trucks";
const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;
const DELAY_MS: i64 = 3_000;

/// A coordinator with its log and its clock.
struct World {
    coordinator: Coordinator,
    log: Vec<(Bytes, Option<Bytes>)>,
    now: Timestamp,
    tickets: u64,
    refuses_appends: bool,
    inbox: Vec<(Ticket, Reply)>,
}

impl World {
    fn new() -> Self {
        Self::with(GroupSettings::default())
    }

    fn with(settings: GroupSettings) -> Self {
        let mut world = Self {
            coordinator: Coordinator::new(settings),
            log: Vec::new(),
            now: Timestamp(1_000_000),
            tickets: 0,
            refuses_appends: false,
            inbox: Vec::new(),
        };
        let outcome = world.coordinator.loaded(world.now);
        world.take_in(outcome);
        world
    }

    /// What the shell does with an outcome. A refused append answers everybody the same way.
    fn take_in(&mut self, outcome: GroupOutcome) {
        if self.refuses_appends && !outcome.records.is_empty() {
            return;
        }
        for record in &outcome.records {
            self.log.push(record.encode());
            self.coordinator.replay(record);
        }
        self.inbox.extend(outcome.replies);
    }

    /// Sends a request and yields its ticket.
    fn send(&mut self, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let outcome = self.coordinator.handle(self.now, ticket, request);
        self.take_in(outcome);
        ticket
    }

    /// The answer to `ticket` if there is one yet.
    fn poll(&mut self, ticket: Ticket) -> Option<Reply> {
        let at = self.inbox.iter().position(|(answered, _)| *answered == ticket)?;
        Some(self.inbox.remove(at).1)
    }

    fn ask(&mut self, request: Request) -> Reply {
        let ticket = self.send(request);
        self.poll(ticket).expect("the answer comes at once")
    }

    /// Lets time pass, with every timer at its moment.
    fn pass_ms(&mut self, ms: i64) {
        let until = self.now.plus_ms(ms);
        while let Some(next) = self.coordinator.next_deadline().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            let outcome = self.coordinator.on_deadline(self.now);
            self.take_in(outcome);
        }
        self.now = until;
    }

    /// Another coordinator over the same log.
    fn fail_over(&mut self) {
        let mut coordinator = Coordinator::new(self.coordinator.settings.clone());
        for (key, value) in &self.log {
            let record = GroupRecord::decode(key.clone(), value.clone()).unwrap().expect("a record of ours");
            coordinator.replay(&record);
        }
        self.coordinator = coordinator;
        let outcome = self.coordinator.loaded(self.now);
        self.take_in(outcome);
    }

    fn group(&self) -> &ClassicGroup {
        &self.coordinator.groups[GROUP]
    }

    fn state(&self) -> &'static str {
        self.coordinator.groups.get(GROUP).map_or("Dead", |group| group.state.name())
    }

    // What members do.

    /// Joins anew, with the round trip for the id.
    fn join_new(&mut self, name: &str) -> (ByteString, Ticket) {
        let Reply::Join(Err(refused)) = self.ask(Request::Join(join(name))) else {
            panic!("an id is required")
        };
        assert_eq!(refused.error, ErrorCode::MemberIdRequired);
        let ticket = self.send(Request::Join(JoinGroup { member: refused.member.clone(), ..join(name) }));
        (refused.member, ticket)
    }

    fn rejoin(&mut self, name: &str, member: &ByteString) -> Ticket {
        self.send(Request::Join(JoinGroup { member: member.clone(), ..join(name) }))
    }

    fn joined(&mut self, ticket: Ticket) -> Joined {
        match self.poll(ticket) {
            Some(Reply::Join(Ok(joined))) => joined,
            other => panic!("not admitted: {other:?}"),
        }
    }

    fn sync(
        &mut self,
        member: &ByteString,
        generation: i32,
        assignments: Vec<(ByteString, Bytes)>,
    ) -> Ticket {
        self.send(Request::Sync(SyncGroup {
            caller: caller(member, generation),
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            assignments,
        }))
    }

    fn synced(&mut self, ticket: Ticket) -> Bytes {
        match self.poll(ticket) {
            Some(Reply::Sync(Ok(synced))) => synced.assignment,
            other => panic!("not synced: {other:?}"),
        }
    }

    fn heartbeat(&mut self, member: &ByteString, generation: i32) -> Result<(), ErrorCode> {
        match self.ask(Request::Heartbeat(caller(member, generation))) {
            Reply::Heartbeat(result) => result,
            other => panic!("not a heartbeat: {other:?}"),
        }
    }

    fn leave(&mut self, member: &ByteString) -> ErrorCode {
        let members = vec![(member.clone(), None)];
        match self.ask(Request::Leave(LeaveGroup { group: GROUP.into(), members })) {
            Reply::Leave(left) => left[0].error,
            other => panic!("did not leave: {other:?}"),
        }
    }

    /// A stable group of these members; yields their ids in the order of the names.
    fn stable(&mut self, names: &[&str]) -> Vec<ByteString> {
        let joins: Vec<_> = names.iter().map(|name| self.join_new(name)).collect();
        self.pass_ms(DELAY_MS * 2);
        let members: Vec<_> = joins.iter().map(|(member, _)| member.clone()).collect();
        let mut leader = None;
        for (_, ticket) in joins {
            let joined = self.joined(ticket);
            leader = Some(joined.leader).filter(|_| joined.generation == self.group().generation);
        }
        self.settle(&members, &leader.expect("everybody is in the generation"));
        members
    }

    /// Everybody syncs, the leader last, with an assignment that names the member.
    fn settle(&mut self, members: &[ByteString], leader: &ByteString) {
        let generation = self.group().generation;
        let followers: Vec<_> = members.iter().filter(|member| *member != leader).cloned().collect();
        let tickets: Vec<_> =
            followers.iter().map(|member| self.sync(member, generation, Vec::new())).collect();
        let assignments = members.iter().map(|member| (member.clone(), share_of(member))).collect();
        let ticket = self.sync(leader, generation, assignments);
        assert_eq!(self.synced(ticket), share_of(leader));
        for (member, ticket) in followers.iter().zip(tickets) {
            assert_eq!(self.synced(ticket), share_of(member));
        }
        assert_eq!(self.state(), "Stable");
    }
}

fn share_of(member: &ByteString) -> Bytes {
    member.clone().into_bytes()
}

fn caller(member: &ByteString, generation: i32) -> Caller {
    Caller { group: GROUP.into(), member: member.clone(), instance: None, generation }
}

fn subscription(topic: &'static str) -> Bytes {
    ConsumerProtocolSubscription { topics: vec![topic.into()], ..Default::default() }.to_versioned_bytes(1)
}

fn protocol(name: &'static str) -> Protocol {
    Protocol { name: name.into(), metadata: subscription("truck_gps") }
}

/// A JoinGroup of version 9 by a client of this name that is no member yet.
fn join(name: &str) -> JoinGroup {
    JoinGroup {
        group: GROUP.into(),
        member: ByteString::new(),
        instance: None,
        client_id: name.into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range"), protocol("roundrobin")],
        requires_known_member: true,
        may_skip_assignment: true,
        random: Uuid::nil(),
    }
}

fn commit(caller: Caller, offset: i64) -> Request {
    commit_with(caller, offset, None)
}

fn commit_with(caller: Caller, offset: i64, metadata: Option<ByteString>) -> Request {
    let partition = PartitionCommit {
        index: PartitionIndex(0),
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(4),
        metadata,
    };
    let topic = TopicCommit { name: "truck_gps".into(), id: topic_id(), partitions: vec![partition] };
    Request::Commit(CommitOffsets {
        caller,
        retention_time_ms: -1,
        names_unknown_groups: true,
        topics: vec![topic],
    })
}

fn topic_id() -> TopicId {
    TopicId(Uuid::from_u128(7))
}

fn fetch(world: &mut World) -> Vec<TopicOffsets> {
    match world.ask(Request::Fetch(FetchOffsets { group: GROUP.into(), topics: None })) {
        Reply::Fetch(topics) => topics,
        other => panic!("no offsets: {other:?}"),
    }
}
