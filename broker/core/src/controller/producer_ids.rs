//! Producer ids, given to brokers in blocks and never twice.

use milena_protocol::messages::metadata_records::ProducerIdsRecord;
use milena_protocol::{ErrorCode, NodeId, ProducerId};

use super::{Controller, ControllerReply, Decision, PRODUCER_ID_BLOCK};

impl Controller {
    pub(super) fn allocate_producer_ids(&mut self, broker: NodeId, epoch: i64) -> Decision {
        if let Err(refusal) = self.check_epoch(broker, epoch) {
            return (Vec::new(), ControllerReply::ProducerIds(Err(refusal)));
        }
        let first = self.image.next_producer_id();
        let Some(next_producer_id) = first.checked_add(PRODUCER_ID_BLOCK) else {
            return (Vec::new(), ControllerReply::ProducerIds(Err(ErrorCode::UnknownServerError.into())));
        };
        let record = ProducerIdsRecord { broker_id: broker.0, broker_epoch: epoch, next_producer_id };
        (vec![record.into()], ControllerReply::ProducerIds(Ok(ProducerId(first))))
    }
}
