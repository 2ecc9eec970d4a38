//! What clients put into byte fields of messages.

pub mod consumer_protocol_assignment;
pub mod consumer_protocol_subscription;
pub mod default_principal_data;

pub use consumer_protocol_assignment::ConsumerProtocolAssignment;
pub use consumer_protocol_subscription::ConsumerProtocolSubscription;
pub use default_principal_data::DefaultPrincipalData;
