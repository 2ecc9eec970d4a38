//! The records of `__transaction_state`, keys and values.

pub mod transaction_log;

pub use transaction_log::{TransactionLogKey, TransactionLogValue};
