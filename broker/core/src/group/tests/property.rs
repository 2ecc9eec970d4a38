//! Random members doing random things: whatever they do, the group stays whole and nobody waits forever.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CLIENTS: usize = 4;

#[derive(Debug, Clone)]
enum Act {
    Join { client: usize, is_static: bool, prefers_second: bool },
    Sync { client: usize },
    Heartbeat { client: usize },
    Commit { client: usize },
    Leave { client: usize },
    Pass { ms: i64 },
    FailOver,
    RefuseAppends { refuse: bool },
}

fn act() -> impl Strategy<Value = Act> {
    let client = 0..CLIENTS;
    prop_oneof![
        4 => (client.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(client, is_static, prefers_second)| Act::Join { client, is_static, prefers_second }),
        4 => client.clone().prop_map(|client| Act::Sync { client }),
        2 => client.clone().prop_map(|client| Act::Heartbeat { client }),
        2 => client.clone().prop_map(|client| Act::Commit { client }),
        1 => client.prop_map(|client| Act::Leave { client }),
        4 => (1..20_000i64).prop_map(|ms| Act::Pass { ms }),
        1 => Just(Act::FailOver),
        1 => any::<bool>().prop_map(|refuse| Act::RefuseAppends { refuse }),
    ]
}

/// What the clients of a test know.
#[derive(Default)]
struct Clients {
    members: [ByteString; CLIENTS],
    generations: [i32; CLIENTS],
    instances: [Option<ByteString>; CLIENTS],
    /// The member ids that the client was told as leader, with the generation.
    led: [Option<(i32, Vec<ByteString>)>; CLIENTS],
    parked: BTreeMap<Ticket, usize>,
    random: u128,
}

impl Clients {
    fn caller(&self, client: usize) -> Caller {
        let caller = caller(&self.members[client], self.generations[client]);
        Caller { instance: self.instances[client].clone(), ..caller }
    }

    fn request(&mut self, act: &Act) -> Option<(usize, Request)> {
        Some(match *act {
            Act::Join { client, is_static, prefers_second } => {
                if self.members[client].is_empty() {
                    self.instances[client] = is_static.then(|| format!("instance-{client}").into());
                }
                self.random += 1;
                let mut protocols = vec![protocol("range"), protocol("roundrobin")];
                if prefers_second {
                    protocols.reverse();
                }
                let request = JoinGroup {
                    member: self.members[client].clone(),
                    instance: self.instances[client].clone(),
                    protocols,
                    random: Uuid::from_u128(self.random),
                    ..join("client")
                };
                (client, Request::Join(request))
            }
            Act::Sync { client } => {
                let generation = self.generations[client];
                let led = self.led[client].as_ref().filter(|(led, _)| *led == generation);
                let assignments = led.into_iter().flat_map(|(_, members)| members);
                let assignments = assignments.map(|member| (member.clone(), share_of(member))).collect();
                let caller = self.caller(client);
                (
                    client,
                    Request::Sync(SyncGroup { caller, protocol_type: None, protocol: None, assignments }),
                )
            }
            Act::Heartbeat { client } => (client, Request::Heartbeat(self.caller(client))),
            Act::Commit { client } => {
                (client, commit(self.caller(client), i64::from(self.generations[client])))
            }
            Act::Leave { client } => {
                let members = vec![(self.members[client].clone(), self.instances[client].clone())];
                (client, Request::Leave(LeaveGroup { group: GROUP.into(), members }))
            }
            Act::Pass { .. } | Act::FailOver | Act::RefuseAppends { .. } => return None,
        })
    }

    fn learn(&mut self, client: usize, reply: Reply) {
        match reply {
            Reply::Join(Ok(joined)) => {
                assert!(joined.generation >= 1);
                self.generations[client] = joined.generation;
                let members: Vec<_> = joined.members.iter().map(|member| member.member.clone()).collect();
                if joined.leader == joined.member {
                    assert!(members.contains(&joined.member), "a leader is told the members");
                    self.led[client] = Some((joined.generation, members));
                }
                self.members[client] = joined.member;
            }
            Reply::Join(Err(refused)) if refused.error == ErrorCode::MemberIdRequired => {
                self.members[client] = refused.member;
            }
            Reply::Join(Err(JoinRefused {
                error: ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId,
                ..
            })) => {
                self.members[client] = ByteString::new();
            }
            Reply::Heartbeat(Err(ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId)) => {
                self.members[client] = ByteString::new();
            }
            Reply::Sync(Ok(synced)) => {
                assert_ne!(self.members[client], "", "only members are assigned anything");
                let own = share_of(&self.members[client]);
                // A static member that came back holds the share of the id it had before.
                let is_static = self.instances[client].is_some();
                assert!(synced.assignment.is_empty() || synced.assignment == own || is_static);
            }
            _ => {}
        }
    }
}

fn run(acts: &[Act]) -> World {
    let mut world = World::new();
    let mut clients = Clients::default();
    let mut generation = 0;
    for act in acts {
        match act {
            Act::Pass { ms } => world.pass_ms(*ms),
            Act::FailOver => {
                world.fail_over();
                clients.parked.clear();
                generation = 0;
            }
            Act::RefuseAppends { refuse } => world.refuses_appends = *refuse,
            _ => {
                let (client, request) = clients.request(act).expect("every other act is a request");
                let ticket = world.send(request);
                clients.parked.insert(ticket, client);
            }
        }
        for (ticket, reply) in std::mem::take(&mut world.inbox) {
            let client = clients.parked.remove(&ticket).expect("every ticket is answered once");
            clients.learn(client, reply);
        }
        if let Some(group) = world.coordinator.groups.get(GROUP) {
            check(group, &world.coordinator.deadlines);
            assert!(group.generation >= generation, "generations grow");
            generation = group.generation;
        } else {
            generation = 0;
        }
    }
    world
}

/// What holds after every step.
fn check(group: &ClassicGroup, deadlines: &Deadlines) {
    for (id, member) in &group.members {
        assert_eq!(*id, member.id);
        assert!(!group.pending.contains(id));
        if let Some(instance) = &member.instance {
            assert_eq!(group.static_member(instance), Some(id), "an instance is one member");
        }
        let is_watched = deadlines.at(&Timer::Session(group.id.clone(), id.clone())).is_some();
        assert!(is_watched || member.is_parked(), "a member that is gone is noticed");
        if member.awaiting_join.is_some() {
            assert_eq!(group.state, State::PreparingRebalance);
        }
        if member.awaiting_sync.is_some() {
            assert_eq!(group.state, State::CompletingRebalance);
        }
    }
    if let Some(leader) = &group.leader {
        assert!(group.members.contains_key(leader), "the leader is a member");
    }
    let join_timer = deadlines.at(&Timer::Join(group.id.clone())).is_some();
    let sync_timer = deadlines.at(&Timer::Sync(group.id.clone())).is_some();
    match group.state {
        State::Empty => assert!(group.members.is_empty()),
        State::PreparingRebalance => assert!(join_timer, "a rebalance ends"),
        State::CompletingRebalance => {
            assert!(sync_timer || group.pending_sync.is_empty(), "a rebalance ends")
        }
        State::Stable => {
            assert!(!group.members.is_empty());
            assert!(group.members.values().all(|member| member.supports(group.protocol.as_ref().unwrap())));
        }
    }
}

use super::classic::State;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn groups_stay_whole_whatever_members_do(acts in prop::collection::vec(act(), 1..120)) {
        run(&acts);
    }

    #[test]
    fn same_input_has_same_outcome(acts in prop::collection::vec(act(), 1..60)) {
        let (one, two) = (run(&acts), run(&acts));
        prop_assert_eq!(one.coordinator, two.coordinator);
        prop_assert_eq!(one.log, two.log);
    }

    #[test]
    fn everybody_is_gone_after_silence(acts in prop::collection::vec(act(), 1..80)) {
        let mut world = run(&acts);
        world.refuses_appends = false;
        world.pass_ms(20 * 60 * 1000);
        let state = world.state();
        prop_assert!(state == "Empty" || state == "Dead", "{}", state);
        let before = world.coordinator.offsets.clone();
        world.fail_over();
        prop_assert_eq!(&world.coordinator.offsets, &before);
    }
}
