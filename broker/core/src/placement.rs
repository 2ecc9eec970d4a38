//! Where the replicas of new partitions go: spread over racks first, then evenly over brokers.
//!
//! Each partition takes the least loaded broker as its leader and then, for every further replica, a broker of the rack
//! that the partition uses least, the least loaded one within. Load is counted over the partitions placed in one call,
//! so that a broker that has just joined is not flooded. Ties go to the broker that comes first after a random start.
//! Fenced brokers lead nothing and get replicas only where the unfenced ones do not suffice.

use bytestring::ByteString;
use milena_protocol::NodeId;

#[cfg(test)]
mod tests;

/// A broker that may get replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: NodeId,
    /// Its rack; brokers without one share a rack.
    pub rack: Option<ByteString>,
    /// Whether it is fenced now.
    pub fenced: bool,
}

/// Why replicas cannot be placed: what Apache Kafka says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// There are fewer brokers than replicas.
    #[error(
        "Unable to replicate the partition {wanted} time(s): The target replication factor of {wanted} cannot be reached \
         because only {registered} broker(s) are registered or some brokers have all their log directories cordoned."
    )]
    TooFewBrokers {
        /// Replicas that were asked for.
        wanted: usize,
        /// Brokers that take replicas.
        registered: usize,
    },
    /// No broker could lead.
    #[error(
        "Unable to replicate the partition {wanted} time(s): All brokers are currently fenced, or have all their log directories cordoned."
    )]
    AllFenced {
        /// Replicas that were asked for.
        wanted: usize,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    leaders: usize,
    replicas: usize,
}

/// Places `partitions` partitions of `replicas` replicas each; `random` turns the order in which ties are broken.
pub fn place(
    candidates: &[Candidate],
    partitions: usize,
    replicas: usize,
    random: u64,
) -> Result<Vec<Vec<NodeId>>, PlacementError> {
    if candidates.iter().all(|candidate| candidate.fenced) {
        return Err(PlacementError::AllFenced { wanted: replicas });
    }
    if candidates.len() < replicas {
        return Err(PlacementError::TooFewBrokers { wanted: replicas, registered: candidates.len() });
    }
    let order = interleaved(candidates, random);
    let mut loads = vec![Load::default(); order.len()];
    Ok((0..partitions).map(|_| place_one(&order, &mut loads, replicas)).collect())
}

/// The candidates with their racks taking turns, rotated by `random`.
fn interleaved(candidates: &[Candidate], random: u64) -> Vec<&Candidate> {
    let mut ranked: Vec<(usize, &Candidate)> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let rank = ranked.iter().filter(|(_, other)| other.rack == candidate.rack).count();
        ranked.push((rank, candidate));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let start = usize::try_from(random % (ranked.len() as u64)).unwrap_or_default();
    ranked.rotate_left(start);
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

fn place_one(order: &[&Candidate], loads: &mut [Load], replicas: usize) -> Vec<NodeId> {
    let mut chosen: Vec<usize> = Vec::with_capacity(replicas);
    while chosen.len() < replicas {
        let free = (0..order.len()).filter(|index| !chosen.contains(index));
        let next = free.min_by_key(|index| {
            let rack_uses = chosen.iter().filter(|other| order[**other].rack == order[*index].rack).count();
            let leaders = if chosen.is_empty() { loads[*index].leaders } else { 0 };
            (order[*index].fenced, rack_uses, leaders, loads[*index].replicas)
        });
        let next = next.expect("there are at least as many candidates as replicas");
        loads[next].replicas += 1;
        loads[next].leaders += usize::from(chosen.is_empty());
        chosen.push(next);
    }
    chosen.into_iter().map(|index| order[index].id).collect()
}
