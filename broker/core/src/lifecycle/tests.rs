//! Lives of brokers, told input by input.

use super::*;

const SETTINGS: Settings = Settings {
    heartbeat_interval_ms: 2000,
    registration_timeout_ms: 60_000,
    controlled_shutdown_timeout_ms: 30_000,
};
const REGISTER: Option<Output> = Some(Output::Register { epoch_before: None });
const FENCED: Answer = Answer { is_fenced: true, should_shut_down: false };
const UNFENCED: Answer = Answer { is_fenced: false, should_shut_down: false };

fn heartbeat(want_fence: bool, want_shut_down: bool) -> Option<Output> {
    let offline_log_dirs = BTreeSet::new();
    Some(Output::Heartbeat(Heartbeat { broker_epoch: 7, want_fence, want_shut_down, offline_log_dirs }))
}

/// Time, input, output, state, next deadline.
type Event = (i64, Input, Option<Output>, State, Option<i64>);

/// A broker, its inputs and what comes of each.
fn check(broker: &mut Lifecycle, story: Vec<Event>) {
    for (now, input, output, state, deadline) in story {
        let shown = format!("{now} {input:?}");
        assert_eq!(broker.step(Timestamp(now), input), output, "{shown}");
        assert_eq!(broker.state(), state, "{shown}");
        assert_eq!(broker.next_deadline(), deadline.map(Timestamp), "{shown}");
    }
}

/// A broker that runs since 100, and whose next heartbeat is due at 2100.
fn running() -> Lifecycle {
    let mut broker = Lifecycle::new(SETTINGS);
    check(
        &mut broker,
        vec![
            (0, Input::Start, REGISTER, State::Starting, Some(60_000)),
            (10, Input::Registered(Ok(7)), heartbeat(true, false), State::Starting, None),
            (20, Input::CaughtUp, None, State::Recovery, None),
            (30, Input::Ready, None, State::Recovery, None),
            (40, Input::Heartbeat(Ok(FENCED)), heartbeat(false, false), State::Recovery, None),
            (100, Input::Heartbeat(Ok(UNFENCED)), None, State::Running, Some(2100)),
        ],
    );
    broker
}

#[test]
fn a_broker_registers_catches_up_opens_its_logs_and_runs() {
    let mut broker = running();
    assert_eq!(broker.epoch(), Some(7));
    check(
        &mut broker,
        vec![
            (2000, Input::Deadline, None, State::Running, Some(2100)),
            (2100, Input::Deadline, heartbeat(false, false), State::Running, None),
            (2150, Input::Heartbeat(Ok(UNFENCED)), None, State::Running, Some(4150)),
        ],
    );
}

#[test]
fn a_registration_is_tried_until_its_time_is_over() {
    let mut broker = Lifecycle::new(SETTINGS);
    let refused = || Input::Registered(Err(ErrorCode::DuplicateBrokerRegistration));
    check(
        &mut broker,
        vec![
            (0, Input::Start, REGISTER, State::Starting, Some(60_000)),
            (9000, Input::Unanswered, None, State::Starting, Some(9500)),
            (9500, Input::Deadline, REGISTER, State::Starting, Some(60_000)),
            (9501, refused(), None, State::Starting, Some(10_001)),
            (10_001, Input::Deadline, REGISTER, State::Starting, Some(60_000)),
            (60_000, Input::Deadline, Some(Output::Fail), State::ShuttingDown, None),
            (60_001, refused(), None, State::ShuttingDown, None),
        ],
    );
}

#[test]
fn a_broker_that_the_controller_forgot_registers_again() {
    for code in [ErrorCode::StaleBrokerEpoch, ErrorCode::BrokerIdNotRegistered] {
        let mut broker = running();
        let again = Some(Output::Register { epoch_before: Some(7) });
        check(
            &mut broker,
            vec![
                (2100, Input::Deadline, heartbeat(false, false), State::Running, None),
                (2110, Input::Heartbeat(Err(code)), None, State::Running, Some(2610)),
                (2610, Input::Deadline, again, State::Running, None),
            ],
        );
        let Some(Output::Heartbeat(said)) = broker.step(Timestamp(2620), Input::Registered(Ok(9))) else {
            panic!("a heartbeat follows the registration");
        };
        assert_eq!((said.broker_epoch, said.want_fence), (9, false));
    }
}

#[test]
fn other_errors_and_silence_are_answered_by_the_next_heartbeat() {
    let mut broker = running();
    check(
        &mut broker,
        vec![
            (2100, Input::Deadline, heartbeat(false, false), State::Running, None),
            (2200, Input::Heartbeat(Err(ErrorCode::NotController)), None, State::Running, Some(4200)),
            (4200, Input::Deadline, heartbeat(false, false), State::Running, None),
            (9000, Input::Unanswered, None, State::Running, Some(11_000)),
        ],
    );
}

#[test]
fn a_new_controller_hears_of_the_broker_at_once() {
    check(
        &mut running(),
        vec![
            (300, Input::ControllerMoved, heartbeat(false, false), State::Running, None),
            (310, Input::ControllerMoved, None, State::Running, None),
            (320, Input::Heartbeat(Ok(UNFENCED)), heartbeat(false, false), State::Running, None),
            (330, Input::Heartbeat(Ok(UNFENCED)), None, State::Running, Some(2330)),
        ],
    );
}

#[test]
fn a_stop_waits_until_the_leaderships_have_moved() {
    let mut broker = running();
    let (pending, go) =
        (State::PendingControlledShutdown, Answer { is_fenced: false, should_shut_down: true });
    check(
        &mut broker,
        vec![
            (500, Input::Stop { has_others: true }, heartbeat(false, true), pending, Some(30_500)),
            (510, Input::Heartbeat(Ok(UNFENCED)), None, pending, Some(560)),
            (560, Input::Deadline, heartbeat(false, true), pending, Some(30_500)),
            (570, Input::Heartbeat(Err(ErrorCode::NotController)), None, pending, Some(1070)),
            (1070, Input::Deadline, heartbeat(false, true), pending, Some(30_500)),
            (1080, Input::Heartbeat(Ok(go)), None, State::ShuttingDown, None),
        ],
    );
}

#[test]
fn a_stop_does_not_wait_for_ever_nor_for_nobody_nor_twice() {
    let table = [
        vec![
            (
                500,
                Input::Stop { has_others: true },
                heartbeat(false, true),
                State::PendingControlledShutdown,
                Some(30_500),
            ),
            (30_500, Input::Deadline, None, State::ShuttingDown, None),
            (30_501, Input::Heartbeat(Ok(UNFENCED)), None, State::ShuttingDown, None),
        ],
        vec![(500, Input::Stop { has_others: false }, None, State::ShuttingDown, None)],
        vec![
            (
                500,
                Input::Stop { has_others: true },
                heartbeat(false, true),
                State::PendingControlledShutdown,
                Some(30_500),
            ),
            (501, Input::Stop { has_others: true }, None, State::ShuttingDown, None),
        ],
        vec![
            (
                500,
                Input::Stop { has_others: true },
                heartbeat(false, true),
                State::PendingControlledShutdown,
                Some(30_500),
            ),
            (3500, Input::Unanswered, None, State::ShuttingDown, None),
        ],
    ];
    for story in table {
        check(&mut running(), story);
    }
    let mut starting = Lifecycle::new(SETTINGS);
    check(
        &mut starting,
        vec![
            (0, Input::Start, REGISTER, State::Starting, Some(60_000)),
            (1, Input::Stop { has_others: true }, None, State::ShuttingDown, None),
            (2, Input::Registered(Ok(7)), None, State::ShuttingDown, None),
        ],
    );
}

#[test]
fn a_failed_log_directory_is_told_at_once_and_ever_after() {
    let mut broker = running();
    let id = Uuid::from_u128(5);
    for ms in [300, 4000] {
        let input = if ms == 300 { Input::LogDirFailed(id) } else { Input::Deadline };
        let Some(Output::Heartbeat(said)) = broker.step(Timestamp(ms), input) else { panic!("no heartbeat") };
        assert_eq!(said.offline_log_dirs, BTreeSet::from([id]));
        assert_eq!(broker.step(Timestamp(ms), Input::LogDirFailed(id)), None);
        assert_eq!(broker.step(Timestamp(ms), Input::Heartbeat(Ok(UNFENCED))), None);
    }
}
