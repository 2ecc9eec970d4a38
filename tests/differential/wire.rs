//! Requests that nobody serves: keys and versions that neither broker knows. The connection ends, except that
//! ApiVersions says what it knows (KIP-511).

use milena_tests::{Dice, frame};

use crate::differences::Exchange;
use crate::lockstep::Lockstep;

/// Keys that no broker has: removed ones, those of the quorum's own listener, those to come.
const NO_KEYS: &[i16] = &[4, 5, 6, 7, 93, 1_000, -1, i16::MAX, i16::MIN];
const VERSIONS: &[i16] = &[0, 1, -1, i16::MAX, i16::MIN];

/// Sends a request of a key or version that neither broker serves.
pub(crate) fn unserved(lockstep: &mut Lockstep, dice: &mut Dice) {
    let (key, version) = if dice.percent(30) {
        (dice.of(NO_KEYS), dice.of(VERSIONS))
    } else {
        let (key, versions) = lockstep.served(dice);
        let outside = [versions.start() - 1, versions.end() + 1, -1, i16::MAX, i16::MIN];
        (key, dice.of(&outside))
    };
    let body: Vec<u8> = dice.several(40, |dice| dice.between(0, 255) as u8);
    let request = frame::raw_request(key, version, &body);
    *lockstep.sent.entry("unserved").or_default() += 1;
    let [theirs, ours] = [&mut lockstep.theirs, &mut lockstep.ours].map(|side| side.exchange_raw(&request));
    let request = format!("key {key} version {version} {body:?}");
    lockstep.judge(&Exchange { api: "unserved", version, request, answers: (theirs, ours) });
}
