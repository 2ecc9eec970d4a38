//! Which hosts hear each other no more.
//!
//! The brokers are the first hosts, in the order of their ids from 1 on; behind them is one for each client program.

use milena_tests::Dice;

/// A cut, one way: what the first host says, the second one does not hear.
pub(crate) type Cable = (usize, usize);

/// See the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// A broker from all others, both ways. Its clients still reach it.
    Isolate,
    /// A broker hears no other; they hear it.
    Deafen,
    /// A broker is heard by no other; it hears them.
    Silence,
    /// The brokers fall into two halves.
    Split,
    /// Two brokers, both ways; a third one hears both.
    Pair,
    /// Two brokers, one way.
    PairOneWay,
    /// A client program from a broker, both ways.
    Client,
    /// The same, one way.
    ClientOneWay,
    /// A broker from all others and from all clients, both ways.
    Unplug,
}

/// The cables of a cut around the host `at`, a broker of so many; the rest is up to the dice.
pub(crate) fn cables(cut: Cut, at: usize, (brokers, clients): (usize, usize), dice: &mut Dice) -> Vec<Cable> {
    let others = |end: usize| (0..end).filter(move |host| *host != at);
    let to = |hosts: Vec<usize>| hosts.into_iter().map(move |host| (at, host));
    let from = |hosts: Vec<usize>| hosts.into_iter().map(move |host| (host, at));
    let one_way = |host: usize, dice: &mut Dice| dice.of(&[(at, host), (host, at)]);
    let both = |hosts: Vec<usize>| to(hosts.clone()).chain(from(hosts)).collect();
    let brokers_left: Vec<_> = others(brokers).collect();
    match cut {
        Cut::Isolate => both(brokers_left),
        Cut::Deafen => from(brokers_left).collect(),
        Cut::Silence => to(brokers_left).collect(),
        Cut::Split => split(at, brokers, dice),
        Cut::Pair => both(vec![dice.of(&brokers_left)]),
        Cut::PairOneWay => vec![one_way(dice.of(&brokers_left), dice)],
        Cut::Client => both(vec![brokers + dice.below(clients)]),
        Cut::ClientOneWay => vec![one_way(brokers + dice.below(clients), dice)],
        Cut::Unplug => both(others(brokers + clients).collect()),
    }
}

/// The smaller half is around `at`.
fn split(at: usize, brokers: usize, dice: &mut Dice) -> Vec<Cable> {
    let size = 1 + dice.below(brokers / 2);
    let is_here = |host: usize| (host + brokers - at) % brokers < size;
    let pairs = (0..brokers).flat_map(|one| (0..brokers).map(move |two| (one, two)));
    pairs.filter(|(one, two)| is_here(*one) != is_here(*two)).collect()
}

#[test]
fn cuts_are_of_their_kind() {
    let of = |cut| {
        let mut cables = cables(cut, 1, (3, 2), &mut Dice::new(1, 1));
        cables.sort_unstable();
        cables
    };
    assert_eq!(of(Cut::Isolate), [(0, 1), (1, 0), (1, 2), (2, 1)]);
    assert_eq!(of(Cut::Split), of(Cut::Isolate));
    assert_eq!(of(Cut::Deafen), [(0, 1), (2, 1)]);
    assert_eq!(of(Cut::Silence), [(1, 0), (1, 2)]);
    assert_eq!(of(Cut::Pair).len(), 2);
    assert!(matches!(of(Cut::PairOneWay)[..], [(1, 0 | 2) | (0 | 2, 1)]));
    assert!(matches!(of(Cut::Client)[..], [(1, 3 | 4), (3 | 4, 1)]));
    assert!(matches!(of(Cut::ClientOneWay)[..], [(1, 3 | 4) | (3 | 4, 1)]));
    assert_eq!(of(Cut::Unplug).len(), 8);
}
