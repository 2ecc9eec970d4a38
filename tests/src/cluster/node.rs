//! One process of a cluster, and what it is asked.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use milena_protocol::messages::describe_quorum::{RequestPartitionData, RequestTopicData};
use milena_protocol::messages::{
    DescribeQuorumRequest, MetadataRequest, MetadataResponse, metadata::MetadataRequestTopic,
};
use milena_protocol::{NodeId, Request};

use super::Role;
use crate::broker::{Flavor, spawn};
use crate::network::Host;
use crate::{Process, frame};

/// One process of a cluster.
#[derive(Debug)]
pub struct Node {
    pub(super) id: NodeId,
    pub(super) role: Role,
    pub(super) flavor: Flavor,
    /// The machine of it alone, if it is not this one.
    pub(super) host: Option<Host>,
    pub(super) folder: PathBuf,
    pub(super) port: u16,
    pub(super) controller_port: u16,
    pub(super) process: Option<Process>,
    /// What ended processes of it said.
    pub(super) said: Vec<String>,
}

impl Node {
    /// Its id.
    pub fn id(&self) -> i32 {
        self.id.0
    }

    /// Whose it is.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    fn address(&self) -> &str {
        self.host.as_ref().map_or("127.0.0.1", Host::address)
    }

    /// Its host, if it has one of its own.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        format!("{}:{}", self.address(), self.port)
    }

    /// `host:port` of its controller listener.
    pub fn controller_address(&self) -> String {
        format!("{}:{}", self.address(), self.controller_port)
    }

    /// Where its properties and its data are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process, if it runs.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// What its processes have printed so far.
    pub fn lines(&self) -> Vec<String> {
        let running = self.process.iter().flat_map(Process::lines);
        self.said.iter().cloned().chain(running).collect()
    }

    /// Asks it at its clients' listener.
    pub fn ask<R: Request>(&self, version: i16, request: &R) -> io::Result<R::Response> {
        frame::exchange(&mut frame::connect(&self.bootstrap())?, version, request)
    }

    /// What it says of `topics`.
    pub fn metadata(&self, topics: &[&str]) -> io::Result<MetadataResponse> {
        let topic = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let topics = Some(topics.iter().map(topic).collect());
        self.ask(12, &MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() })
    }

    /// The brokers that it names to its clients.
    pub fn brokers(&self) -> io::Result<BTreeSet<i32>> {
        Ok(self.metadata(&[])?.brokers.iter().map(|broker| broker.node_id).collect())
    }

    /// Who leads the metadata quorum, as it finds out.
    pub fn controller(&self) -> io::Result<Option<i32>> {
        let partitions = vec![RequestPartitionData { partition_index: 0 }];
        let topics = vec![RequestTopicData { topic_name: "__cluster_metadata".into(), partitions }];
        let answer = self.ask(1, &DescribeQuorumRequest { topics })?;
        let leaders = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let mut leaders = leaders.filter(|led| led.error_code == 0 && led.leader_id >= 0);
        Ok(leaders.next().map(|led| led.leader_id))
    }

    /// Status and body of a page of ours.
    pub fn page(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let line = self.lines().into_iter().rev().find(|line| line.contains("serving metrics and health"));
        let line = line.context("only our nodes serve pages")?;
        let http = line.split("address=").nth(1).context("an address")?.trim().to_owned();
        let mut stream = frame::connect(&http)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).context("a status line")?.parse()?;
        Ok((status, answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned()))
    }

    pub(super) fn launch(&mut self, variables: &[(&str, &str)]) -> io::Result<()> {
        self.end(Process::kill);
        self.process = Some(spawn(self.flavor, &self.folder, (variables, self.host.as_ref()))?);
        Ok(())
    }

    pub(super) fn end(&mut self, end: impl FnOnce(&mut Process)) {
        if let Some(mut process) = self.process.take() {
            end(&mut process);
            self.said.extend(process.lines());
        }
    }
}
