//! What people's files, compose environments and overrides become.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use milena_protocol::NodeId;

use super::{Config, Listener, Voters};

const COMPOSE: &[(&str, &str)] = &[
    ("CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qk"),
    ("KAFKA_NODE_ID", "1"),
    ("KAFKA_PROCESS_ROLES", "broker,controller"),
    ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@kafka:29093"),
    ("KAFKA_LISTENERS", "PLAINTEXT://:19092,CONTROLLER://:29093,PLAINTEXT_HOST://:9092"),
    ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://kafka:19092,PLAINTEXT_HOST://localhost:9092"),
    (
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
    ),
    ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
    ("KAFKA_INTER_BROKER_LISTENER_NAME", "PLAINTEXT"),
    ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
    ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
    ("KAFKA_LOG_DIRS", "/var/lib/kafka"),
    ("KAFKA_HEAP_OPTS", "-Xmx1g"),
    ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
    ("PATH", "/usr/bin"),
];

fn load(overrides: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Config> {
    let overrides: Vec<String> = overrides.iter().map(|entry| (*entry).to_owned()).collect();
    Config::load(None, &overrides, environment.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn refusal(overrides: &[&str], environment: &[(&str, &str)]) -> String {
    format!("{:#}", load(overrides, environment).expect_err("refused"))
}

fn listener(name: &str, port: u16, advertised: (&str, u16), is_controller: bool) -> Listener {
    Listener {
        name: name.into(),
        bind_host: String::new(),
        port,
        advertised_host: advertised.0.into(),
        advertised_port: advertised.1,
        is_controller,
    }
}

#[test]
fn no_configuration_is_a_broker_on_localhost() {
    let config = load(&[], &[]).unwrap();
    assert_eq!(
        config.listeners,
        [
            listener("PLAINTEXT", 9092, ("localhost", 9092), false),
            listener("CONTROLLER", 9093, ("localhost", 9093), true)
        ]
    );
    assert_eq!((config.node_id, config.voters), (NodeId(1), Voters::Dynamic { bootstrap: Vec::new() }));
    assert_eq!(config.log_dirs, [Path::new("./data")]);
    assert_eq!(config.cluster_id, None);
}

#[test]
fn a_compose_file_starts_unchanged() {
    let config = load(&[], COMPOSE).unwrap();
    assert_eq!(config.cluster_id.as_deref(), Some("MkU3OEVBNTcwNTJENDM2Qk"));
    assert_eq!(config.voters, Voters::Static(vec![(NodeId(1), "kafka".into(), 29093)]));
    assert_eq!(config.log_dirs, [Path::new("/var/lib/kafka")]);
    assert_eq!(config.listeners[0], listener("PLAINTEXT", 19092, ("kafka", 19092), false));
    assert_eq!(config.listeners[2], listener("PLAINTEXT_HOST", 9092, ("localhost", 9092), false));
    assert!(config.listeners[1].is_controller);
}

#[test]
fn a_file_is_read_and_overrides_win() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "# sample\nprocess.roles=broker,controller\nnode.id = 7\nlisteners=A://127.0.0.1:0,C://127.0.0.1:0\n\
         listener.security.protocol.map=A:PLAINTEXT,C:PLAINTEXT\ninter.broker.listener.name=A\n\
         controller.listener.names=C\ncontroller.quorum.bootstrap.servers=localhost:1\nlog.dirs=/a\n"
    )
    .unwrap();
    let mut config = Config::load(Some(file.path()), &["log.dirs=/b".into()], std::iter::empty()).unwrap();
    assert_eq!((config.node_id, config.log_dirs.as_slice()), (NodeId(7), &[PathBuf::from("/b")][..]));
    config.listeners[0].bound_to(4711);
    assert_eq!(
        (config.listeners[0].advertised_host.as_str(), config.listeners[0].advertised_port),
        ("127.0.0.1", 4711)
    );

    writeln!(file, "no.such.key=1").unwrap();
    let error = Config::load(Some(file.path()), &[], std::iter::empty()).expect_err("refused");
    assert!(format!("{error:#}").ends_with("Unknown broker config name: no.such.key"), "{error:#}");
}

#[test]
fn what_would_not_be_obeyed_stops_the_start() {
    let table: &[(&[&str], &str)] = &[
        (&["no.such.key=1"], "--override no.such.key=1: Unknown broker config name: no.such.key"),
        (
            &["ssl.keystore.location=/k"],
            "ssl.keystore.location is a security key that this version does not enforce",
        ),
        (
            &["listener.name.a.ssl.keystore.location=/k"],
            "--override listener.name.a.ssl.keystore.location=/k: listener.name.a.ssl.keystore.location is a security \
             key that this version does not enforce",
        ),
        (
            &["super.users=User:a"],
            "--override super.users=User:a: super.users is a security key that this version does not enforce",
        ),
        (
            &["listeners=SSL://:1,CONTROLLER://:2"],
            "listener SSL asks for SSL: security is not built yet, only PLAINTEXT is",
        ),
        (
            &["controller.quorum.voters=2@b:1"],
            "If process.roles contains the 'controller' role, the node id 1 must be included in the set of voters \
             controller.quorum.voters=Set(2)",
        ),
        (
            &["num.partitions=0"],
            "--override num.partitions=0: Invalid value 0 for configuration num.partitions: Value must be at least 1",
        ),
        (
            &["inter.broker.listener.name=SSL"],
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based \
             on currently configured listeners are PLAINTEXT",
        ),
        (&["listeners=X://:1,CONTROLLER://:2"], "No security protocol defined for listener X"),
    ];
    for (overrides, message) in table {
        assert_eq!(refusal(overrides, &[]), *message);
    }
    let both = refusal(&["controller.quorum.bootstrap.servers=kafka:29093"], COMPOSE);
    assert!(both.contains("exclude each other"), "{both}");
    assert!(refusal(&[], &[("KAFKA_NODE_ID", "1")]).contains("process.roles"));
    assert!(
        refusal(&[], &[("KAFKA_SSL_KEYSTORE_FILENAME", "x"), ("KAFKA_SUPER_USERS", "User:a")])
            .contains("super.users")
    );
}

#[test]
fn each_role_needs_and_refuses_what_it_does_in_kafka() {
    const ALONE: &str = "process.roles=broker";
    const CONTROLLER: &str = "process.roles=controller";
    const VOTERS: &str = "controller.quorum.voters=1@a:1,2@b:2";
    let table: &[(&[&str], &str)] = &[
        (
            &[ALONE, "listeners=PLAINTEXT://:1"],
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap \
             controllers or controller.quorum.voters must contain a parseable set of controllers.",
        ),
        (
            &[ALONE, "listeners=PLAINTEXT://:1", VOTERS],
            "If process.roles contains just the 'broker' role, the node id 1 must not be included in the set of voters \
             controller.quorum.voters=Set(1, 2)",
        ),
        (
            &[ALONE, "node.id=3", VOTERS],
            "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running \
             KRaft with just the broker role",
        ),
        (
            &[CONTROLLER, VOTERS, "inter.broker.listener.name=PLAINTEXT"],
            "The listeners config must only contain KRaft controller listeners from controller.listener.names when \
             process.roles=controller",
        ),
        (
            &[CONTROLLER, VOTERS, "listeners=CONTROLLER://:2", "inter.broker.listener.name=CONTROLLER"],
            "controller.listener.names must not contain an explicitly set inter.broker.listener.name configuration value \
             when process.roles=controller",
        ),
        (
            &["listeners=PLAINTEXT://:1"],
            "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when \
             running the KRaft controller role",
        ),
        (
            &["listeners=PLAINTEXT://:1,CONTROLLER://:2", "controller.listener.names=CONTROLLER,OTHER"],
            "controller.listener.names must only contain values appearing in the 'listeners' configuration when running \
             the KRaft controller role",
        ),
        (
            &["listeners=CONTROLLER://:2"],
            "There must be at least one broker advertised listener. Perhaps all listeners appear in \
             controller.listener.names?",
        ),
        (&["controller.quorum.voters=1@0.0.0.0:1"], "Host string (0.0.0.0) is not routeable"),
        (
            &["controller.quorum.bootstrap.servers=nowhere"],
            "Failed to parse host and port from nowhere for the configuration controller.quorum.bootstrap.servers. Each \
             entry should be in the form \"{host}:{port}\"",
        ),
    ];
    for (overrides, message) in table {
        assert_eq!(refusal(overrides, &[]), *message, "{overrides:?}");
    }
}

#[test]
fn a_process_may_have_one_role() {
    let alone = ["process.roles=broker", "node.id=3", "listeners=PLAINTEXT://:1"];
    let config = load(&[&alone[..], &["controller.quorum.voters=1@a:1,2@b:2"]].concat(), &[]).unwrap();
    assert_eq!((config.roles.is_broker, config.roles.is_controller), (true, false));
    let controller =
        ["process.roles=controller", "listeners=CONTROLLER://:2", "inter.broker.listener.name=A"];
    let config =
        load(&[&controller[..], &["controller.quorum.bootstrap.servers=a:1,b:2"]].concat(), &[]).unwrap();
    assert_eq!((config.roles.is_broker, config.roles.is_controller), (false, true));
    let bootstrap = vec![("a".into(), 1), ("b".into(), 2)];
    assert_eq!(config.voters, Voters::Dynamic { bootstrap });
}

#[test]
fn a_controller_is_told_by_its_address_among_the_voters() {
    let config = load(&[], COMPOSE).unwrap();
    assert_eq!(config.controller_listener(), Some(&listener("CONTROLLER", 29093, ("kafka", 29093), true)));
}
