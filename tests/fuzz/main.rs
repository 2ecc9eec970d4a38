//! Every fuzz target over its seeds and a few mutants of them: `make fuzz` runs the same targets for as long as one likes.

mod input;
#[path = "../golden/memory.rs"]
mod memory;
mod targets;
#[path = "../golden/vector.rs"]
#[allow(dead_code, reason = "the golden tests read more of a vector")]
mod vector;

use targets::TARGETS;

/// Mutants of each seed per run of the test.
const MUTANTS: usize = 3;

#[test]
fn seeds_and_their_mutants_pass() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % below.max(1)
    };
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}", target.name);
        for seed in seeds {
            (target.run)(&seed);
            for _ in 0..MUTANTS {
                let mut mutant = seed.clone();
                if let Some(byte) = mutant.get_mut(random(seed.len())) {
                    *byte = u8::try_from(random(256)).expect("a byte");
                }
                (target.run)(&mutant);
            }
        }
    }
}
