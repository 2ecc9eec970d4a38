//! What is not built inside an advertised version, and the error each such request gets.
//!
//! Every code here is final for the clients we know: none retries it, none takes it for success.

use milena_protocol::ErrorCode;

/// A transactional id, wherever it appears.
pub(crate) const TRANSACTION: ErrorCode = ErrorCode::TransactionalIdAuthorizationFailed;
/// A share group key.
pub(crate) const SHARE_GROUP: ErrorCode = ErrorCode::InvalidRequest;
