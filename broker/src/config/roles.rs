//! What a process is by `process.roles`, and what each role needs and refuses.
//!
//! | role | listeners | voters |
//! |---|---|---|
//! | broker | no controller listener; the names of those of the controllers must be known | others, or where to find them |
//! | controller | controller listeners only | itself among static ones, or where to find them |
//! | both | at least one of each kind | as a controller; none where this node forms a quorum alone |
//!
//! Source: the checks and messages of `KafkaConfig.validateValues` of Apache Kafka.

use anyhow::ensure;
use milena_core::config::Properties;
use milena_core::config::broker::{quorum, server};
use milena_protocol::NodeId;

use super::{Listener, Voters, listeners};

/// The roles of a process; at least one is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    /// It has partitions and serves clients.
    pub(crate) is_broker: bool,
    /// It votes, or may, and decides when it is elected.
    pub(crate) is_controller: bool,
}

pub(super) fn parse(properties: &Properties) -> anyhow::Result<Roles> {
    let names = properties.list(&quorum::PROCESS_ROLES);
    ensure!(
        !names.is_empty(),
        "Missing required configuration \"process.roles\" which has no default value."
    );
    Ok(Roles { is_broker: names.contains(&"broker"), is_controller: names.contains(&"controller") })
}

/// Refuses what does not fit the roles.
pub(super) fn check(
    roles: Roles,
    properties: &Properties,
    node_id: NodeId,
    voters: &Voters,
    listeners: &[Listener],
) -> anyhow::Result<()> {
    check_voters(roles, node_id, voters)?;
    if roles.is_controller {
        check_controller(roles, properties, listeners)?;
    } else {
        check_broker_alone(properties, listeners)?;
    }
    if roles.is_broker { listeners::check_inter_broker(properties, listeners) } else { Ok(()) }
}

fn check_voters(roles: Roles, node_id: NodeId, voters: &Voters) -> anyhow::Result<()> {
    let is_combined = roles.is_broker && roles.is_controller;
    let knows_nobody = *voters == Voters::Dynamic { bootstrap: Vec::new() };
    ensure!(
        is_combined || !knows_nobody,
        "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap \
         controllers or controller.quorum.voters must contain a parseable set of controllers."
    );
    let is_named = voters.address_of(node_id).is_some();
    let ids = voters.shown_ids();
    if roles.is_controller {
        ensure!(
            is_named || !voters.is_static(),
            "If process.roles contains the 'controller' role, the node id {node_id} must be included in the set of \
             voters controller.quorum.voters={ids}"
        );
    } else {
        ensure!(
            !is_named,
            "If process.roles contains just the 'broker' role, the node id {node_id} must not be included in the set \
             of voters controller.quorum.voters={ids}"
        );
    }
    Ok(())
}

fn check_controller(roles: Roles, properties: &Properties, listeners: &[Listener]) -> anyhow::Result<()> {
    let controllers = listeners::controller_names(properties);
    ensure!(
        listeners.iter().any(|listener| listener.is_controller),
        "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when \
         running the KRaft controller role"
    );
    ensure!(
        controllers.iter().all(|name| listeners.iter().any(|listener| listener.name == *name)),
        "controller.listener.names must only contain values appearing in the 'listeners' configuration when running \
         the KRaft controller role"
    );
    if roles.is_broker {
        return Ok(());
    }
    ensure!(
        listeners.iter().all(|listener| listener.is_controller),
        "The listeners config must only contain KRaft controller listeners from controller.listener.names when \
         process.roles=controller"
    );
    let explicit = properties.text(&server::INTER_BROKER_LISTENER_NAME);
    ensure!(
        explicit.is_none_or(|name| !controllers.contains(&name.to_uppercase())),
        "controller.listener.names must not contain an explicitly set inter.broker.listener.name configuration value \
         when process.roles=controller"
    );
    Ok(())
}

fn check_broker_alone(properties: &Properties, listeners: &[Listener]) -> anyhow::Result<()> {
    let controllers = listeners::controller_names(properties);
    ensure!(
        !controllers.is_empty(),
        "controller.listener.names must contain at least one value when running KRaft with just the broker role"
    );
    ensure!(
        listeners.iter().all(|listener| !listener.is_controller),
        "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running \
         KRaft with just the broker role"
    );
    for name in &controllers {
        listeners::check_controller_protocol(properties, name, &controllers)?;
    }
    ensure!(
        !properties.boolean(&quorum::CONTROLLER_QUORUM_AUTO_JOIN_ENABLE),
        "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role."
    );
    if controllers.len() > 1 {
        tracing::warn!(
            names = controllers.join(","),
            "controller.listener.names has several entries; only the first is used with process.roles=broker"
        );
    }
    Ok(())
}
