//! Label values that are all known beforehand: nothing from the wire can become one.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// A closed set of label values, or of pairs of them.
pub(crate) trait Values: Copy {
    /// How many there are.
    const COUNT: usize;

    /// The place of this one, below [`Self::COUNT`].
    fn index(self) -> usize;

    /// The words of the one at a place, one for each label.
    fn words(index: usize) -> Vec<&'static str>;
}

impl<A: Values, B: Values> Values for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }

    fn words(index: usize) -> Vec<&'static str> {
        let mut words = A::words(index / B::COUNT);
        words.extend(B::words(index % B::COUNT));
        words
    }
}

/// Defines a set of label values.
macro_rules! values {
    ($(#[doc = $doc:literal] $name:ident { $($value:ident = $word:literal,)+ })+) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($value,)+ }

        impl Values for $name {
            const COUNT: usize = [$($word),+].len();

            fn index(self) -> usize {
                self as usize
            }

            fn words(index: usize) -> Vec<&'static str> {
                [$($word),+].get(index).copied().into_iter().collect()
            }
        }
    )+};
}

values! {
    /// Whether something was let in.
    Outcome { Accepted = "accepted", Refused = "refused", }
    /// How somebody logged in, or tried to.
    Mechanism {
        Basic = "Basic", Certificate = "Certificate", Ntlm = "NTLM", Kerberos = "Kerberos",
        Negotiate = "Negotiate", CredSsp = "CredSSP", Local = "Local", Other = "other",
    }
    /// What a message asks for.
    Operation {
        Identify = "Identify", Create = "Create", Command = "Command", Send = "Send",
        Receive = "Receive", Signal = "Signal", Get = "Get", Delete = "Delete",
        Disconnect = "Disconnect", Reconnect = "Reconnect", Connect = "Connect",
        Enumerate = "Enumerate", Pull = "Pull", Release = "Release", Put = "Put",
        Invoke = "Invoke", Other = "other",
    }
    /// What became of a message.
    Outcomes {
        Ok = "ok", TimedOut = "timed_out", Aborted = "aborted", Denied = "denied",
        NotFound = "not_found", Quota = "quota", Invalid = "invalid", Failed = "failed",
    }
    /// A quota, by the name of its setting.
    Quota {
        Connections = "MaxConnections", Shells = "MaxShellsPerUser", Users = "MaxConcurrentUsers",
        Operations = "MaxConcurrentOperationsPerUser", Processes = "MaxProcessesPerShell",
        Service = "service",
    }
    /// Why a shell ended.
    End {
        Deleted = "deleted", Idle = "idle", HostGone = "host_gone", Stopped = "stopped",
        Other = "other",
    }
    /// Which way bytes go.
    Direction { Received = "received", Sent = "sent", }
    /// The status of an HTTP answer.
    Status {
        Ok = "200", BadRequest = "400", Unauthorized = "401", NotFound = "404",
        NotAllowed = "405", NoLength = "411", TooLarge = "413", WrongType = "415",
        ServerError = "500", Other = "other",
    }
}

/// A counter for each value.
#[derive(Debug)]
pub(crate) struct Counters<V> {
    counts: Vec<AtomicU64>,
    values: PhantomData<fn(V)>,
}

impl<V: Values> Default for Counters<V> {
    fn default() -> Self {
        let counts = (0..V::COUNT).map(|_| AtomicU64::new(0)).collect();
        Self { counts, values: PhantomData }
    }
}

impl<V: Values> Counters<V> {
    pub(crate) fn add(&self, value: V, number: u64) {
        if let Some(count) = self.counts.get(value.index()) {
            count.fetch_add(number, Ordering::Relaxed);
        }
    }

    /// Every value with its words and its count.
    pub(super) fn samples(&self) -> impl Iterator<Item = (Vec<&'static str>, u64)> {
        let counts = self.counts.iter().enumerate();
        counts.map(|(index, count)| (V::words(index), count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_apart_and_told_with_the_words_of_both() {
        let counters = Counters::<(Operation, Outcomes)>::default();
        counters.add((Operation::Other, Outcomes::Failed), 2);
        counters.add((Operation::Identify, Outcomes::Ok), 3);
        let told: Vec<_> = counters.samples().filter(|(_, count)| *count > 0).collect();
        assert_eq!(told, [(vec!["Identify", "ok"], 3), (vec!["other", "failed"], 2)]);
        assert_eq!(counters.samples().count(), 136);
    }
}
