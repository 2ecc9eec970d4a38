//! Who is in sync: joining, leaving, what the controller answers, and what the high watermark waits for meanwhile.

use super::*;

const TWO: ReplicaRules = ReplicaRules { min_insync_replicas: 2, lag_ms_max: LAG_MS_MAX };

/// Leader 1 of replicas 1, 2 and 3, of which `isr` are in sync, with ten records that all of those have.
fn mk_leader_of_three(isr: &[i32]) -> Replica {
    let mut replica = mk_replica(0);
    let isr = isr.iter().copied().map(NodeId).collect::<Vec<_>>();
    lead(&mut replica, Leadership { isr: isr.clone(), ..mk_leadership(0, &[1, 2, 3]) });
    append(&mut replica, &mk_batch(0, 0, 10)).unwrap();
    for node in isr.iter().filter(|node| **node != NODE) {
        fetch(&mut replica, node.0, 10);
    }
    replica
}

fn mk_proposal(isr: &[(i32, i64)]) -> IsrProposal {
    let isr = isr.iter().map(|(node, epoch)| (NodeId(*node), *epoch)).collect();
    IsrProposal { leader_epoch: LeaderEpoch(0), partition_epoch: 0, isr }
}

fn mk_answer(partition_epoch: i32, isr: &[i32]) -> IsrAnswer {
    let isr = isr.iter().copied().map(NodeId).collect();
    IsrAnswer { leader_epoch: LeaderEpoch(0), partition_epoch, isr }
}

fn isr(replica: &Replica) -> Vec<i32> {
    replica.isr().iter().map(|node| node.0).collect()
}

#[test]
fn follower_joins_when_it_has_what_is_committed() {
    let mut replica = mk_leader_of_three(&[1, 2]);
    assert_eq!(replica.high_watermark(), Offset(10));
    append(&mut replica, &mk_batch(0, 10, 5)).unwrap();
    assert_eq!(fetch(&mut replica, 3, 9), None, "below the high watermark");
    let proposal = fetch(&mut replica, 3, 10).unwrap();
    assert_eq!(proposal, mk_proposal(&[(1, -1), (2, 2), (3, 3)]));
    assert_eq!(fetch(&mut replica, 3, 11), None, "one change at a time");
    fetch(&mut replica, 2, 15);
    assert_eq!(replica.high_watermark(), Offset(11), "it counts before the controller has agreed");
    assert!(!replica.on_isr_answer(&proposal, Ok(mk_answer(1, &[1, 2, 3])), NOW));
    assert_eq!((isr(&replica), replica.high_watermark()), (vec![1, 2, 3], Offset(11)));
}

#[test]
fn follower_joins_no_earlier_than_the_epoch_began() {
    let mut replica = mk_leader_of_three(&[1]);
    lead(&mut replica, Leadership { isr: vec![NODE], ..mk_leadership(1, &[1, 2, 3]) });
    assert_eq!(replica.epoch_start(), Some(Offset(10)));
    replica.high_watermark = Offset(4);
    assert_eq!(fetch(&mut replica, 2, 7), None);
    assert!(fetch(&mut replica, 2, 10).is_some());
}

#[test]
fn who_is_fenced_stopping_or_another_process_does_not_join() {
    let live = |epoch, is_stopping| Some(LiveBroker { epoch, is_stopping });
    let cases =
        [(None, 2, false), (live(2, true), 2, false), (live(2, false), 2, true), (live(1, false), 2, false)];
    for (live, broker_epoch, joins) in cases {
        let mut replica = mk_leader_of_three(&[1]);
        replica.see_brokers(&|_| live, NOW);
        let told = FollowerFetch { broker_epoch, ..mk_fetch(&replica, 2, 10) };
        assert_eq!(replica.fetched(&told, NOW).unwrap().is_some(), joins, "{live:?}");
    }
    let mut replica = mk_leader_of_three(&[1]);
    let silent = FollowerFetch { broker_epoch: -1, ..mk_fetch(&replica, 2, 10) };
    assert!(replica.fetched(&silent, NOW).unwrap().is_some(), "before version 15 nobody tells");
    let mut replica = mk_leader_of_three(&[1]);
    replica.see_brokers(&|_| live(3, false), NOW);
    assert_eq!(fetch_at(&mut replica, 2, 10, 0), Err(ErrorCode::NotLeaderOrFollower), "an older process");
}

#[test]
fn silent_follower_leaves_and_counts_until_that_is_agreed() {
    let mut replica = mk_leader_of_three(&[1, 2, 3]);
    append(&mut replica, &mk_batch(0, 10, 5)).unwrap();
    fetch_at(&mut replica, 2, 15, LAG_MS_MAX + 1).unwrap();
    assert_eq!(replica.shrink(NOW.plus_ms(LAG_MS_MAX)), None, "not yet");
    let later = NOW.plus_ms(LAG_MS_MAX + 1);
    let proposal = replica.shrink(later).unwrap();
    assert_eq!(proposal, mk_proposal(&[(1, -1), (2, 2)]));
    assert_eq!(replica.shrink(later), None, "one change at a time");
    assert_eq!(replica.high_watermark(), Offset(10));
    assert!(!replica.on_isr_answer(&proposal, Ok(mk_answer(1, &[1, 2])), later));
    assert_eq!((isr(&replica), replica.high_watermark()), (vec![1, 2], Offset(15)));
}

#[test]
fn follower_that_has_everything_stays_however_long_it_is_silent() {
    let mut replica = mk_leader_of_three(&[1, 2]);
    assert_eq!(replica.shrink(NOW.plus_ms(10 * LAG_MS_MAX)), None);
}

#[test]
fn follower_that_is_always_one_append_behind_stays() {
    let mut replica = mk_leader_of_three(&[1, 2]);
    for step in 1..10 {
        append(&mut replica, &mk_batch(0, 10 * i32::try_from(step).unwrap(), 10)).unwrap();
        let at_ms = step * (LAG_MS_MAX - 1_000);
        fetch_at(&mut replica, 2, step * 10, at_ms).unwrap();
        assert_eq!(replica.shrink(NOW.plus_ms(at_ms)), None, "it reached the end of the fetch before");
    }
    fetch_at(&mut replica, 2, 95, 10 * LAG_MS_MAX).unwrap();
    assert!(replica.shrink(NOW.plus_ms(10 * LAG_MS_MAX)).is_some());
}

#[test]
fn high_watermark_stands_still_below_min_isr() {
    let mut replica = mk_leader_of_three(&[1, 2]);
    replica.set_rules(TWO, NOW);
    lead(&mut replica, Leadership { isr: vec![NODE], partition_epoch: 1, ..mk_leadership(0, &[1, 2, 3]) });
    let batch = mk_batch(0, 10, 5);
    let unsafe_origin = AppendOrigin::Client { acks_all: false };
    assert_eq!(
        replica.plan_append(batch.header(), unsafe_origin),
        Ok(AppendPlan::Append { base_offset: Offset(10), leader_epoch: LeaderEpoch(0) })
    );
    replica.apply(batch.header(), Offset(10), NOW);
    assert_eq!(replica.high_watermark(), Offset(10));
    let proposal = fetch(&mut replica, 2, 15).unwrap();
    assert_eq!(replica.high_watermark(), Offset(10), "what is not agreed does not help");
    assert!(replica.has_enough_in_sync());
    replica.on_isr_answer(&proposal, Ok(mk_answer(2, &[1, 2])), NOW);
    assert_eq!(replica.high_watermark(), Offset(15));
}

#[test]
fn answers_settle_repeat_or_leave_it_to_the_image() {
    use ErrorCode as E;
    let undone = [E::IneligibleReplica, E::OperationNotAttempted];
    let kept = [E::UnknownTopicId, E::FencedLeaderEpoch, E::InvalidUpdateVersion, E::NewLeaderElected];
    let again = [E::RequestTimedOut, E::NotController, E::StaleBrokerEpoch];
    let after = |code| {
        let mut replica = mk_leader_of_three(&[1]);
        let proposal = fetch(&mut replica, 2, 10).unwrap();
        let is_again = replica.on_isr_answer(&proposal, Err(code), NOW);
        (is_again, replica.pending.is_some())
    };
    assert!(undone.into_iter().all(|code| after(code) == (false, false)));
    assert!(kept.into_iter().all(|code| after(code) == (false, true)));
    assert!(again.into_iter().all(|code| after(code) == (true, true)));
}

#[test]
fn answer_that_the_image_overtook_changes_nothing() {
    let mut replica = mk_leader_of_three(&[1]);
    let proposal = fetch(&mut replica, 2, 10).unwrap();
    lead(&mut replica, Leadership { isr: vec![NODE], ..mk_leadership(0, &[1, 2, 3]) });
    assert!(replica.pending.is_some(), "the same state is no news");
    lead(&mut replica, Leadership { isr: vec![NODE], partition_epoch: 1, ..mk_leadership(0, &[1, 2, 3]) });
    assert!(!replica.on_isr_answer(&proposal, Ok(mk_answer(1, &[1, 2])), NOW));
    assert_eq!(isr(&replica), [1]);
}

#[test]
fn image_that_an_answer_overtook_changes_nothing() {
    let mut replica = mk_leader_of_three(&[1]);
    let proposal = fetch(&mut replica, 2, 10).unwrap();
    replica.on_isr_answer(&proposal, Ok(mk_answer(3, &[1, 2])), NOW);
    lead(&mut replica, Leadership { isr: vec![NODE], partition_epoch: 2, ..mk_leadership(0, &[1, 2, 3]) });
    assert_eq!(isr(&replica), [1, 2]);
    assert!(!replica.follow(LeaderEpoch(0), 2));
    assert!(replica.is_leader());
}

#[test]
fn follower_takes_over_no_more_than_it_has() {
    let mut replica = mk_replica(10);
    assert!(replica.follow(LeaderEpoch(2), 7));
    assert!(!replica.follow(LeaderEpoch(2), 8), "the same leader");
    assert_eq!(replica.check_follower(LeaderEpoch(2)), Ok(()));
    assert_eq!(replica.check_follower(LeaderEpoch(1)), Err(ErrorCode::NotLeaderOrFollower));
    replica.learn_high_watermark(Offset(12));
    assert_eq!(replica.high_watermark(), Offset(10));
    replica.learn_high_watermark(Offset(3));
    assert_eq!(replica.high_watermark(), Offset(10), "it never moves back");
    replica.truncated(Offset(6));
    assert_eq!((replica.log_end(), replica.high_watermark()), (Offset(6), Offset(6)));
    lead(&mut replica, Leadership { partition_epoch: 9, ..mk_leadership(3, &[1, 2]) });
    assert_eq!((replica.high_watermark(), replica.epoch_start()), (Offset(6), Some(Offset(6))));
    assert!(replica.follow(LeaderEpoch(4), 10));
    assert_eq!(replica.check_leader(LeaderEpoch(4)), Err(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn deleted_records_are_gone_when_every_live_follower_says_so() {
    let mut replica = mk_leader_of_three(&[1, 2, 3]);
    let from = |replica: &mut Replica, node, log_start| {
        let told = FollowerFetch { log_start: Offset(log_start), ..mk_fetch(replica, node, 10) };
        replica.fetched(&told, NOW).unwrap();
    };
    from(&mut replica, 2, 5);
    assert_eq!(replica.followers_start(), Some(Offset(0)));
    from(&mut replica, 3, 4);
    assert_eq!(replica.followers_start(), Some(Offset(4)));
    replica.see_brokers(&|node| alive(node).filter(|_| node == NodeId(2)), NOW);
    assert_eq!(replica.followers_start(), Some(Offset(5)));
}
