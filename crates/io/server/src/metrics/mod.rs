//! What the service counts, and how it tells: Prometheus's text format, on request and to this
//! machine only.
//!
//! ```text
//!  connections, logins, dispatch, shells ── count ──► Metrics ◄── read ── page ◄── GET /metrics
//! ```
//!
//! Label values are closed sets; users, commands, addresses and whatever else a client chose are
//! for the audit log.

mod bytes;
pub(crate) mod listener;
mod page;
mod process;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use session::access;
use wsman::fault::{ErrorCode, Fault, FaultCode};

pub(crate) use bytes::Counted;
pub use page::{FAMILIES, Family, Kind};
pub(crate) use values::{
    Counters, Direction, End, Mechanism, Operation, Outcome, Outcomes, Quota, Status,
};

/// Every count of a service.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections: Counters<Outcome>,
    pub(crate) failed_handshakes: AtomicU64,
    pub(crate) responses: Counters<Status>,
    pub(crate) bytes: Counters<Direction>,
    pub(crate) logins: Counters<(Mechanism, Outcome)>,
    pub(crate) lockouts: AtomicU64,
    pub(crate) requests: Counters<(Operation, Outcomes)>,
    pub(crate) quotas: Counters<Quota>,
    pub(crate) shells_opened: AtomicU64,
    pub(crate) shells_ended: Counters<End>,
    pub(crate) commands: Counters<Outcome>,
    open_connections: AtomicU64,
    open_shells: AtomicU64,
    running_commands: AtomicU64,
    waiting_receives: AtomicU64,
}

/// Something that is counted while it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gauge {
    Connections,
    Shells,
    Commands,
    Receives,
}

/// One thing that is there, until this is dropped.
#[derive(Debug)]
pub(crate) struct Present {
    metrics: Arc<Metrics>,
    gauge: Gauge,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.metrics.gauge(self.gauge).fetch_sub(1, Ordering::Relaxed);
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Metrics {
    fn gauge(&self, gauge: Gauge) -> &AtomicU64 {
        match gauge {
            Gauge::Connections => &self.open_connections,
            Gauge::Shells => &self.open_shells,
            Gauge::Commands => &self.running_commands,
            Gauge::Receives => &self.waiting_receives,
        }
    }

    /// Counts something until the answer is dropped.
    pub(crate) fn enter(self: &Arc<Self>, gauge: Gauge) -> Present {
        count(self.gauge(gauge));
        Present { metrics: Arc::clone(self), gauge }
    }

    /// An HTTP answer.
    pub(crate) fn responded(&self, status: StatusCode) {
        let status = match status.as_u16() {
            200 => Status::Ok,
            400 => Status::BadRequest,
            401 => Status::Unauthorized,
            404 => Status::NotFound,
            405 => Status::NotAllowed,
            411 => Status::NoLength,
            413 => Status::TooLarge,
            415 => Status::WrongType,
            500 => Status::ServerError,
            _ => Status::Other,
        };
        self.responses.add(status, 1);
    }

    /// A message and what became of it.
    pub(crate) fn requested(&self, operation: Operation, fault: Option<&Fault>) {
        let outcome = fault.map_or(Outcomes::Ok, outcome_of);
        self.requests.add((operation, outcome), 1);
        if let Some(quota) = fault.and_then(Fault::error_code).and_then(quota_of) {
            self.quotas.add(quota, 1);
        }
    }
}

impl From<access::Operation> for Operation {
    fn from(operation: access::Operation) -> Self {
        match operation {
            access::Operation::Identify => Self::Identify,
            access::Operation::Create => Self::Create,
            access::Operation::Command => Self::Command,
            access::Operation::Connect => Self::Connect,
            access::Operation::Disconnect => Self::Disconnect,
            access::Operation::Enumerate => Self::Enumerate,
            access::Operation::Pull => Self::Pull,
            access::Operation::Release => Self::Release,
            access::Operation::Reconnect => Self::Reconnect,
            access::Operation::Send => Self::Send,
            access::Operation::Receive => Self::Receive,
            access::Operation::Signal => Self::Signal,
            access::Operation::Get => Self::Get,
            access::Operation::Delete => Self::Delete,
            access::Operation::Put => Self::Put,
            access::Operation::Invoke => Self::Invoke,
            _ => Self::Other,
        }
    }
}

impl Mechanism {
    /// The name of the login of the private socket.
    pub(crate) const LOCAL: &str = "Local";

    /// By the name of a mechanism or of an HTTP scheme.
    pub(crate) fn of_name(name: &str) -> Self {
        let named = |word: &str| name.eq_ignore_ascii_case(word);
        match () {
            () if named("Basic") => Self::Basic,
            () if named("Certificate") => Self::Certificate,
            () if named("NTLM") => Self::Ntlm,
            () if named("Kerberos") => Self::Kerberos,
            () if named("Negotiate") => Self::Negotiate,
            // Whatever is inside.
            () if name.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("CredSSP")) => {
                Self::CredSsp
            }
            () => Self::Other,
        }
    }
}

fn quota_of(code: ErrorCode) -> Option<Quota> {
    Some(match code {
        ErrorCode::QUOTA_MAX_SHELLS => Quota::Shells,
        ErrorCode::QUOTA_MAX_SHELLUSERS => Quota::Users,
        ErrorCode::QUOTA_MAX_OPERATIONS => Quota::Operations,
        ErrorCode::NOT_ENOUGH_QUOTA => Quota::Processes,
        ErrorCode::QUOTA_LIMIT
        | ErrorCode::QUOTA_USER
        | ErrorCode::QUOTA_SYSTEM
        | ErrorCode::QUOTA_MAX_COMMANDS_PER_SHELL => Quota::Service,
        _ => return None,
    })
}

fn outcome_of(fault: &Fault) -> Outcomes {
    let Some(code) = fault.error_code() else { return by_soap_code(fault) };
    if quota_of(code).is_some() {
        return Outcomes::Quota;
    }
    match code {
        ErrorCode::OPERATION_TIMEDOUT => Outcomes::TimedOut,
        ErrorCode::OPERATION_ABORTED | ErrorCode::SHUTDOWN_IN_PROGRESS | ErrorCode::CANCELLED => {
            Outcomes::Aborted
        }
        ErrorCode::ACCESS_DENIED | ErrorCode::REMOTESHELLS_NOT_ALLOWED => Outcomes::Denied,
        ErrorCode::UNEXPECTED_SELECTORS => Outcomes::NotFound,
        _ => by_soap_code(fault),
    }
}

fn by_soap_code(fault: &Fault) -> Outcomes {
    match fault.code {
        FaultCode::Receiver => Outcomes::Failed,
        FaultCode::Sender
        | FaultCode::MustUnderstand
        | FaultCode::VersionMismatch
        | FaultCode::DataEncodingUnknown => Outcomes::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_fall_into_their_classes() {
        for (code, outcome) in [
            (ErrorCode::OPERATION_TIMEDOUT, Outcomes::TimedOut),
            (ErrorCode::SHUTDOWN_IN_PROGRESS, Outcomes::Aborted),
            (ErrorCode::ACCESS_DENIED, Outcomes::Denied),
            (ErrorCode::UNEXPECTED_SELECTORS, Outcomes::NotFound),
            (ErrorCode::NOT_ENOUGH_QUOTA, Outcomes::Quota),
            (ErrorCode::INVALID_PARAMETER, Outcomes::Invalid),
            (ErrorCode::INTERNAL_ERROR, Outcomes::Failed),
        ] {
            assert_eq!(outcome_of(&Fault::new(code, "x")), outcome, "{code}");
        }
    }

    #[test]
    fn what_is_there_is_counted_until_it_is_dropped() {
        let metrics = Arc::new(Metrics::default());
        let first = metrics.enter(Gauge::Shells);
        let second = metrics.enter(Gauge::Shells);
        assert_eq!(metrics.open_shells.load(Ordering::Relaxed), 2);
        drop((first, second));
        assert_eq!(metrics.open_shells.load(Ordering::Relaxed), 0);
    }
}
