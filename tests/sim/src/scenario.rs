//! The life of one cluster: it forms, is written to, suffers, heals, and is looked at.
//!
//! Everything in it follows from the seed. Faults begin at random and end after a while; several may be at work at a
//! time. The fault model is the broker's: what was acknowledged from the page cache of all in-sync replicas survives as
//! long as no more than `min.insync.replicas` - 1 of them lose unsynced data between two moments in which all replicas
//! are in sync, so that a node loses its power, or its disk fails, only in such a moment. Processes may be killed at any
//! time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use milena_client::admin::NewTopic;
use milena_client::{Admin, Options};
use milena_world::{Random, task};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Flaw;
use crate::checks::{self, Checks};
use crate::clients::{self, Client, Lane};
use crate::counters::count;
use crate::faults::Faults;
use crate::history::{History, Place};
use crate::node::{Node, Shape, name};

const TOPIC: &str = "kept";
const PARTITIONS: i32 = 3;
const LANES_PER_PARTITION: u32 = 2;
/// How long a cluster may take to form, to be whole again once everything is healed, and to take in what clients still
/// hold.
const FORMING_MAX: Duration = Duration::from_secs(60);
const HEALING_MAX: Duration = Duration::from_secs(180);
const ENDING_MAX: Duration = Duration::from_secs(90);
/// How long faults begin.
const FAULTS_MS: (u64, u64) = (12_000, 25_000);

pub(crate) type Nodes = Rc<RefCell<Vec<Node>>>;

/// Runs the life that `seed` describes and yields what it told.
pub(crate) async fn live(seed: u64, flaw: Option<Flaw>) -> History {
    let mut random = Random::new(seed);
    let history = History::default();
    let nodes = match random.below(10) {
        0..=5 => 3,
        6 | 7 => 4,
        8 => 5,
        _ => 7,
    };
    let voters = if nodes >= 5 && random.one_in(2) { 5 } else { 3 };
    let shape = Shape { nodes, voters, forgets_votes: flaw == Some(Flaw::Vote) };
    let nodes: Vec<Node> = (1..=nodes).map(|id| Node::new(id, shape.clone())).collect();
    let places: Vec<Place> = (0..PARTITIONS).map(|index| (TOPIC.to_owned(), index)).collect();
    let nodes: Nodes = Rc::new(RefCell::new(nodes));
    let mut checks = Checks::default();
    let (seen, told, where_to) = (nodes.clone(), history.clone(), places.clone());
    milena_world::on_step(move || {
        if let Ok(nodes) = seen.try_borrow() {
            checks.step(&nodes, &told, &where_to);
        }
    });
    nodes.borrow_mut().iter_mut().for_each(Node::start);
    let client = Client {
        bootstrap: (1..=shape.nodes).map(|id| format!("{}:9092", name(id))).collect(),
        history: history.clone(),
        stop: CancellationToken::new(),
        seed,
        acks: if flaw == Some(Flaw::Acks) { 1 } else { -1 },
    };
    if form(&client).await.is_none() {
        history.violated("the cluster does not form".to_owned());
        return history;
    }
    let administrator = Client { stop: CancellationToken::new(), ..client.clone() };
    let running = begin_clients(&client, &administrator, &places, shape.nodes);
    let length = random.between(FAULTS_MS.0, FAULTS_MS.1);
    let mut faults = Faults::new(random, nodes.clone(), history.clone());
    faults.run(Duration::from_millis(length)).await;
    administrator.stop.cancel();
    faults.heal().await;
    end(&nodes, &client, running, &mut faults, &places).await;
    count("records acknowledged", history.acknowledgements());
    count("records read", history.reads());
    history
}

/// Has the topic created that everything is about.
async fn form(client: &Client) -> Option<()> {
    let (host, bootstrap) = (milena_world::add_host("founder"), client.bootstrap.clone());
    let created = task::spawn_on(host, async move {
        let options = Options {
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(5),
            ..Options::default()
        };
        let admin = Admin::new(bootstrap, options);
        let topic = NewTopic {
            name: TOPIC.to_owned(),
            partitions: Some(PARTITIONS),
            replication_factor: Some(3),
            configs: BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]),
        };
        loop {
            admin.create_topics(std::slice::from_ref(&topic), false).await.ok();
            let described = admin.describe_topics(&[TOPIC.to_owned()]).await.unwrap_or_default();
            if described.get(TOPIC).is_some_and(Result::is_ok) {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    });
    timeout(FORMING_MAX, created).await.ok()?.ok()
}

fn begin_clients(
    client: &Client,
    administrator: &Client,
    places: &[Place],
    nodes: usize,
) -> Vec<JoinHandle<()>> {
    let mut running = Vec::new();
    for producer in 0..LANES_PER_PARTITION {
        let host = milena_world::add_host(&format!("producer-{producer}"));
        for (place, at) in places.iter().zip(0..) {
            let lane = Lane::new(client.clone(), producer * 100 + at, place.clone());
            running.push(task::spawn_on(host, lane.run()));
        }
    }
    let host = milena_world::add_host("consumer");
    running.push(task::spawn_on(host, clients::consume(client.clone(), places.to_vec())));
    let host = milena_world::add_host("administrator");
    let administrate = clients::administrate(administrator.clone(), nodes, places.to_vec());
    running.push(task::spawn_on(host, administrate));
    running
}

/// Waits until everything is whole, lets the clients end, and looks at what there is.
async fn end(
    nodes: &Nodes,
    client: &Client,
    running: Vec<JoinHandle<()>>,
    faults: &mut Faults,
    places: &[Place],
) {
    let history = &client.history;
    if !eventually(HEALING_MAX, faults, || checks::is_whole(&nodes.borrow())).await {
        history.violated(format!("the cluster does not heal: {}", checks::ailments(&nodes.borrow())));
        return;
    }
    client.stop.cancel();
    let ended = async {
        for one in running {
            one.await.ok();
        }
    };
    if timeout(ENDING_MAX, ended).await.is_err() {
        history.violated("records of clients are refused although nothing is broken".to_owned());
        return;
    }
    let is_still = || checks::is_whole(&nodes.borrow()) && checks::is_level(&nodes.borrow());
    if !eventually(ENDING_MAX, faults, is_still).await {
        history.violated(format!("replicas do not come to rest: {}", checks::ailments(&nodes.borrow())));
        return;
    }
    checks::at_end(&nodes.borrow(), history, places);
}

/// Whether the condition came true in time. Processes that end by themselves are started again.
async fn eventually(patience: Duration, faults: &mut Faults, condition: impl Fn() -> bool) -> bool {
    let until = tokio::time::Instant::now() + patience;
    while !condition() {
        if tokio::time::Instant::now() > until {
            return false;
        }
        faults.mind_processes().await;
        sleep(Duration::from_millis(100)).await;
    }
    true
}
