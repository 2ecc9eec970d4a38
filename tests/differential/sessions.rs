//! Fetch sessions (KIP-227): opened, continued with more and fewer partitions, closed, and continued wrongly.

use milena_protocol::messages::FetchRequest;
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic};
use milena_tests::Dice;

use crate::lockstep::{Effect, Lockstep};
use crate::records;
use crate::side::Side;
use crate::topics;

/// The epoch that opens a session, and that which closes it.
const OPENS: i32 = 0;
const CLOSES: i32 = -1;
/// Versions with sessions: topics by name in the first two, by id in the others.
const VERSIONS: &[i16] = &[7, 12, 13, 18];
/// A session that no broker has.
const NO_SESSION: i32 = 77;

/// Where a reader is in its session. Both brokers come to the same epoch with ids of their own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Session {
    pub(crate) id: i32,
    epoch: i32,
    version: i16,
}

/// Fetches in a session.
pub(crate) fn fetch(lockstep: &mut Lockstep, dice: &mut Dice) {
    let Session { id, epoch, version } = lockstep.theirs.session;
    let epoch = match dice.below(20) {
        _ if id == 0 => OPENS,
        0 => OPENS,
        1 => CLOSES,
        2 => dice.of(&[epoch - 1, epoch + 1, i32::MAX, i32::MIN, -2]),
        _ => epoch,
    };
    let opens = dice.of(VERSIONS);
    let version = if epoch == OPENS { opens } else { dice.mostly(&[version; 8], VERSIONS) };
    let is_known = !dice.percent(2);
    let make = |dice: &mut Dice, side: &Side| FetchRequest {
        max_bytes: i32::MAX,
        session_id: if is_known { side.session.id } else { NO_SESSION },
        session_epoch: epoch,
        topics: if dice.percent(60) { dice.several(3, |dice| asked(dice, side)) } else { Vec::new() },
        forgotten_topics_data: if dice.percent(20) {
            dice.several(2, |dice| forgotten(dice, side))
        } else {
            Vec::new()
        },
        ..FetchRequest::default()
    };
    // It moves the session on, so it cannot be asked again.
    let answers = lockstep.ask_at((version, Effect::Writes), dice, make, records::tidy_fetched);
    let Some((theirs, ours)) = answers else { return };
    for (side, response) in [(&mut lockstep.theirs, theirs), (&mut lockstep.ours, ours)] {
        if response.error_code == 0 {
            side.session = Session { id: response.session_id, epoch: epoch.wrapping_add(1), version };
        }
    }
}

fn asked(dice: &mut Dice, side: &Side) -> FetchTopic {
    // A name longer than any topic's ends a session here, so that what it holds is bounded.
    let name = dice.mostly(topics::NAMES, &["", "käse", "fleet_truck.gps", "eta.9"]);
    // Which partition comes first is up to the broker, so none may lack room.
    let roomy = |partition| FetchPartition { partition_max_bytes: 1 << 20, ..partition };
    let partitions = dice.several(3, records::fetched).into_iter().map(roomy).collect();
    FetchTopic { topic: name.into(), topic_id: side.topic_id(name), partitions }
}

fn forgotten(dice: &mut Dice, side: &Side) -> ForgottenTopic {
    let name = topics::name(dice);
    let partitions = dice.several(3, records::partition);
    ForgottenTopic { topic: name.into(), topic_id: side.topic_id(name), partitions }
}
