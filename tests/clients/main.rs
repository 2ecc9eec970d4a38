//! The clients that people use, each against one broker process, which is killed between two phases.
//!
//! Before: create a topic of three partitions (a second time is refused), describe it, produce 100 keyed records with
//! a header by an idempotent producer, read 60 as a member of a group, commit, leave, come back, read exactly the other
//! 40, commit, produce 50 more. Then the broker is killed and started again. After: read exactly those 50, find the
//! committed offsets at the ends of the partitions, list, describe and delete the group, add a partition, delete the
//! topic. `tests/clients/install.sh` installs the clients; each program ends with a status other than 0 where something
//! differs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use milena_tests::{TestBroker, java, paths};

mod admin;
mod breadth;
mod console;
mod kcat;

/// Runs both phases of a program that takes bootstrap address, topic and phase.
fn both_phases(topic: &str, program: impl Fn() -> Command) {
    let mut broker = TestBroker::start().unwrap();
    for phase in ["before", "after"] {
        let mut command = Command::new("timeout");
        let client = program();
        command.arg("120").arg(client.get_program()).args(client.get_args());
        command.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args([&broker.bootstrap(), topic, phase]);
        match java::run(command, "") {
            Ok(printed) => eprintln!("{printed}"),
            Err(failure) => panic!("{topic} {phase}: {failure:#}"),
        }
        broker.kill();
        broker.restart().unwrap();
    }
}

fn python(script: &str) -> Command {
    let mut command = Command::new(paths::cache().join("clients/venv/bin/python"));
    command.arg(paths::repository().join("tests/clients/python").join(script));
    command
}

#[test]
fn confluent_kafka_resumes_after_a_killed_broker() {
    both_phases("confluent", || python("confluent.py"));
}

#[test]
fn kafka_python_resumes_after_a_killed_broker() {
    both_phases("kafka-python", || python("kafka_python.py"));
}

#[test]
fn franz_go_resumes_after_a_killed_broker() {
    both_phases("franz", || Command::new(paths::cache().join("clients/franz")));
}

#[test]
fn idle_member_takes_over_from_a_killed_one() {
    let broker = TestBroker::start().unwrap();
    let mut command = Command::new(paths::cache().join("clients/franz"));
    command.args([&broker.bootstrap(), "pictures", "pictures"]);
    eprintln!("{}", java::run(command, "").unwrap());
}

#[test]
fn kafkajs_resumes_after_a_killed_broker() {
    both_phases("kafkajs", || {
        let mut command = Command::new("node");
        command.env("NODE_PATH", paths::cache().join("clients/node/node_modules"));
        command.arg(paths::repository().join("tests/clients/node/kafkajs.js"));
        command
    });
}
