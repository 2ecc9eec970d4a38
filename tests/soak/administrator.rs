//! Somebody who deletes records and topics, adds partitions, changes configurations and commits offsets while others write.

use std::io;
use std::thread;
use std::time::Duration;

use milena_tests::Dice;

use crate::client::Client;
use crate::events::Event;
use crate::world::World;
use crate::writer::Scene;

/// Pause between two looks at the progress of the writers.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// Acts now and then until the scene is over, or the broker is gone.
pub(crate) fn run(scene: Scene<'_>, mut dice: Dice) -> io::Result<()> {
    let mut client = Client::connect(scene.address)?;
    loop {
        let next = scene.events.of(Event::Acknowledged) + dice.below(400);
        while scene.events.of(Event::Acknowledged) < next {
            if scene.is_over() {
                return Ok(());
            }
            thread::sleep(LOOK_INTERVAL);
        }
        let (event, is_done) = act(scene, &mut dice, &mut client)?;
        if is_done {
            scene.events.count(event);
        }
    }
}

fn act(scene: Scene<'_>, dice: &mut Dice, client: &mut Client) -> io::Result<(Event, bool)> {
    Ok(match dice.below(100) {
        0..40 => (Event::RecordsDeleted, delete_records(scene, dice, client)?),
        40..65 => (Event::OffsetCommitted, scene.world.commit(dice, client)?),
        65..80 => (Event::Reconfigured, World::reconfigure(dice, client)?),
        80..92 => (Event::TopicRecreated, scene.world.recreate(dice, client)?),
        _ => (Event::PartitionAdded, scene.world.grow(dice, client)?),
    })
}

/// Deletes part of the longest partition, or of any.
fn delete_records(scene: Scene<'_>, dice: &mut Dice, client: &mut Client) -> io::Result<bool> {
    let longest = scene.world.all().into_iter().filter(|(place, _)| scene.world.deletes(*place));
    let (place, ledger) = match longest.max_by_key(|(_, ledger)| ledger.len()) {
        Some(longest) if dice.percent(60) => longest,
        _ => scene.world.any(dice, |kind| !kind.is_compacted_only()),
    };
    let Some(offset) = ledger.offset_at(dice.below(100)) else { return Ok(false) };
    ledger.deleting(offset);
    let start = client.delete_records(place, offset)?;
    assert!(start >= Some(offset), "{place:?} begins at {start:?} after the deletion up to {offset}");
    ledger.deleted(offset);
    Ok(true)
}
