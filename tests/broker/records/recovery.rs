//! What a start reads of the logs: nothing after a stop in order, what follows the recovery point after a crash.

use std::fs;

use super::*;

/// Bytes of one record; a batch of one is nearly as large as batches may be.
const RECORD_BYTES: usize = 900_000;
/// Together larger than what may lie between a recovery point and the end.
const RECORDS: i64 = 20;

fn fill_large(client: &mut Client) {
    let value = vec![b'x'; RECORD_BYTES];
    for index in 0..RECORDS {
        let mut builder = BatchBuilder::default();
        let timestamp = Timestamp(START_MS + index);
        builder.push(NewRecord { timestamp, value: Some(&value), ..NewRecord::default() });
        assert_eq!(client.produce(&builder.build()), index);
    }
}

fn reconnect(broker: &TestBroker, client: Client) -> Client {
    Client { stream: frame::connect(&broker.bootstrap()).unwrap(), ..client }
}

fn scanned_bytes(broker: &TestBroker) -> u64 {
    let metrics = broker.metrics().unwrap();
    let line = metrics.lines().find(|line| line.starts_with("milena_recovery_scanned_bytes_total")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The line of the topic's partition in a file beside the logs.
fn checkpoint(broker: &TestBroker, file: &str) -> Option<i64> {
    let text = fs::read_to_string(broker.data().join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(&format!("{TOPIC} 0 "))?.parse().ok())
}

#[test]
fn crash_makes_the_next_start_read_what_follows_the_recovery_point() {
    let often = [
        ("log.flush.offset.checkpoint.interval.ms", "100"),
        ("replica.high.watermark.checkpoint.interval.ms", "100"),
    ];
    let mut broker = TestBroker::start_with(Flavor::Milena, &often).unwrap();
    let mut client = Client::new(&broker);
    fill_large(&mut client);
    let size = RECORDS as u64 * RECORD_BYTES as u64;
    let point = eventually("a recovery point that moved", PATIENCE, || {
        checkpoint(&broker, "recovery-point-offset-checkpoint").filter(|point| *point > 0)
    });
    eventually("the high watermark on disk", PATIENCE, || {
        checkpoint(&broker, "replication-offset-checkpoint").filter(|offset| *offset == RECORDS)
    });
    broker.kill();
    broker.restart().unwrap();
    let scanned = scanned_bytes(&broker);
    // From the last index entry before the point: one more batch.
    let bound = (RECORDS - point + 2) as u64 * (RECORD_BYTES as u64 + 1_000);
    assert!(
        scanned > 0 && scanned <= bound && scanned < size / 2,
        "{scanned} bytes of {size}, bound {bound}"
    );

    let mut client = reconnect(&broker, client);
    assert_eq!(client.produce(&mk_batch(RECORDS, 1, Compression::None)), RECORDS);
    broker.stop();
    broker.restart().unwrap();
    assert_eq!(scanned_bytes(&broker), 0, "nothing is read after a stop in order");
    let mut client = reconnect(&broker, client);
    let found = client.list(7, START_MS + RECORDS - 1);
    assert_eq!((found.offset, found.timestamp), (RECORDS - 1, START_MS + RECORDS - 1));
    let last = client.fetch(12, |request| request.topics[0].partitions[0].fetch_offset = RECORDS);
    assert_eq!(ranges(&last), [(RECORDS, RECORDS)]);
    broker.kill();
    broker.restart().unwrap();
    assert!(scanned_bytes(&broker) <= 2 * RECORD_BYTES as u64, "the stop was a recovery point too");
}
