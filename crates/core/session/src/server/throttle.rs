//! Failed logins slow the next ones down: for each account name and for each address.
//!
//! ```text
//!            failures within the window
//!   0 ……… slow_after ……………………… lockout_after
//!   │ at once │ one by one, each    │ nobody gets in,      lockout over
//!   │         │ wait twice the last │ the right password ─────────────► 0
//!   ▲                               │ included
//!   └── a right login forgets the account's failures, here and at its address
//! ```
//!
//! A name is treated the same whether somebody has it or not, and the wire says nothing of any of
//! this: a refused login looks like every other. The driver asks [`Throttle::begin`] before it has
//! a password judged, waits as it is told, and brings the verdict to [`Throttle::finish`], whose
//! word is the last: of many guesses sent at once only as many count as the lockout allows.
//!
//! Names are kept as digests and both tables are bounded; when one is full, the entries that failed
//! least recently give way, locked ones last.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Entries of each table.
const MOST_ENTRIES: usize = 4_096;
/// Entries that give way when a table is full.
const MADE_ROOM: usize = MOST_ENTRIES / 8;
/// Failures that an entry remembers; more change nothing.
const MOST_FAILURES: usize = 1_000;
/// The first wait.
const FIRST_DELAY: Duration = Duration::from_millis(500);

/// When logins are slowed and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service from its configuration")]
pub struct Rules {
    /// Only failures of so long ago count.
    pub window: Duration,
    /// After so many failures each further login waits; 0: none does. At most 1,000 count.
    pub slow_after: usize,
    /// The longest wait; the first is half a second, each further one twice the last.
    pub most_delay: Duration,
    /// After so many failures no login is let in for a while; 0: never. At most 1,000 count.
    pub lockout_after: usize,
    /// How long that lasts. What is tried meanwhile does not make it longer.
    pub lockout: Duration,
}

impl Default for Rules {
    /// Within a minute: slowed after 5 failures by up to 8 s, locked out after 10 for 5 minutes.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            slow_after: 5,
            most_delay: Duration::from_secs(8),
            lockout_after: 10,
            lockout: Duration::from_secs(300),
        }
    }
}

/// Whose login it is and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    account: u64,
    network: IpAddr,
}

impl Attempt {
    /// A login as `account`, from `address`. Names that differ in case only are one; so are the
    /// IPv6 addresses of one /64, which one host can have all of.
    #[must_use]
    pub fn new(account: &str, address: IpAddr) -> Self {
        let mut hasher = DefaultHasher::new();
        for folded in account.chars().flat_map(char::to_lowercase) {
            folded.hash(&mut hasher);
        }
        let network = match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
        };
        Self { account: hasher.finish(), network }
    }
}

/// When a login may be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each case")]
pub enum Start {
    /// At once.
    Now,
    /// After this time.
    After(Duration),
    /// Not at all: too many wait already. The login is refused; it counts as no failure.
    Never,
}

/// What becomes of a login that was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each case")]
pub enum Verdict {
    /// It is let in.
    Accepted,
    /// It is refused.
    Failed,
    /// It is refused, and begins a lockout of this length.
    FailedAndLocked(Duration),
    /// It is refused, right or wrong: a lockout holds, for so long yet.
    LockedOut(Duration),
}

/// The memory of failed logins.
#[derive(Debug)]
pub struct Throttle {
    rules: Rules,
    accounts: BTreeMap<u64, Entry>,
    networks: BTreeMap<IpAddr, Entry>,
}

/// The failures under one name or from one address.
#[derive(Debug)]
struct Entry {
    /// When, and under which name; oldest first.
    failures: VecDeque<(Instant, u64)>,
    last: Instant,
    /// When the last login of those that wait is judged.
    next: Option<Instant>,
    locked: Option<Instant>,
}

impl Throttle {
    /// An empty memory.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self { rules, accounts: BTreeMap::new(), networks: BTreeMap::new() }
    }

    /// Asks when a login may be judged. With [`Start::After`] a place in the row is taken.
    pub fn begin(&mut self, attempt: Attempt, now: Instant) -> Start {
        let rules = &self.rules;
        let mut entries =
            [self.accounts.get_mut(&attempt.account), self.networks.get_mut(&attempt.network)];
        let due = entries.iter_mut().flatten().filter_map(|entry| {
            entry.pass(rules, now);
            entry.due(rules, now)
        });
        let Some(due) = due.max() else { return Start::Now };
        let wait = due.saturating_duration_since(now);
        if wait > rules.most_delay.saturating_mul(2) {
            return Start::Never;
        }
        for entry in entries.into_iter().flatten() {
            if entry.due(rules, now).is_some() {
                entry.next = Some(due);
            }
        }
        Start::After(wait)
    }

    /// Takes the verdict over a login: whether the password was `right`.
    pub fn finish(&mut self, attempt: Attempt, right: bool, now: Instant) -> Verdict {
        let rules = &self.rules;
        let entries =
            [self.accounts.get_mut(&attempt.account), self.networks.get_mut(&attempt.network)];
        let locked = entries.into_iter().flatten().filter_map(|entry| {
            entry.pass(rules, now);
            entry.locked
        });
        if let Some(until) = locked.max() {
            return Verdict::LockedOut(until.saturating_duration_since(now));
        }
        if right {
            self.forget(attempt);
            return Verdict::Accepted;
        }
        let failure = (now, attempt.account);
        let mut locks = enter(&mut self.accounts, attempt.account, rules, now).fail(rules, failure);
        locks |= enter(&mut self.networks, attempt.network, rules, now).fail(rules, failure);
        if locks { Verdict::FailedAndLocked(rules.lockout) } else { Verdict::Failed }
    }

    /// A right login: what else failed at its address stays, under other names as it was.
    fn forget(&mut self, attempt: Attempt) {
        self.accounts.remove(&attempt.account);
        if let Some(entry) = self.networks.get_mut(&attempt.network) {
            entry.failures.retain(|(_, account)| *account != attempt.account);
            if entry.failures.is_empty() {
                self.networks.remove(&attempt.network);
            }
        }
    }
}

impl Entry {
    const fn new(now: Instant) -> Self {
        Self { failures: VecDeque::new(), last: now, next: None, locked: None }
    }

    /// Lets go of what is over.
    fn pass(&mut self, rules: &Rules, now: Instant) {
        if self.locked.is_some_and(|until| until <= now) {
            *self = Self::new(self.last);
        }
        let is_old = |at: Instant| now.saturating_duration_since(at) >= rules.window;
        while self.failures.front().is_some_and(|(at, _)| is_old(*at)) {
            self.failures.pop_front();
        }
    }

    /// When the next login may be judged, where it must wait.
    fn due(&self, rules: &Rules, now: Instant) -> Option<Instant> {
        let failures = self.failures.len();
        // A lockout refuses what is judged: waiting for it would only hold connections.
        if rules.slow_after == 0 || failures < rules.slow_after || self.locked.is_some() {
            return None;
        }
        let doublings = u32::try_from(failures - rules.slow_after).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let delay = FIRST_DELAY.saturating_mul(factor).min(rules.most_delay);
        Some(self.next.map_or(now, |next| next.max(now)) + delay)
    }

    /// Counts a failure. Whether it begins a lockout.
    fn fail(&mut self, rules: &Rules, failure: (Instant, u64)) -> bool {
        self.last = failure.0;
        if self.failures.len() >= MOST_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(failure);
        let locks = rules.lockout_after > 0 && self.failures.len() >= rules.lockout_after;
        if locks {
            self.locked = Some(failure.0 + rules.lockout);
            self.failures.clear();
            self.next = None;
        }
        locks
    }

    fn is_over(&self, rules: &Rules, now: Instant) -> bool {
        self.locked.is_none_or(|until| until <= now)
            && now.saturating_duration_since(self.last) >= rules.window
    }
}

/// The entry of a key, in a table that stays bounded.
fn enter<'a, K: Ord + Copy>(
    table: &'a mut BTreeMap<K, Entry>,
    key: K,
    rules: &Rules,
    now: Instant,
) -> &'a mut Entry {
    if table.len() >= MOST_ENTRIES && !table.contains_key(&key) {
        table.retain(|_, entry| !entry.is_over(rules, now));
    }
    if table.len() >= MOST_ENTRIES && !table.contains_key(&key) {
        let mut order: Vec<_> =
            table.iter().map(|(key, entry)| (entry.locked, entry.last, *key)).collect();
        order.sort_unstable();
        // Many at once: a flood of names must not cost a search for each.
        for (_, _, key) in order.into_iter().take(MADE_ROOM) {
            table.remove(&key);
        }
    }
    table.entry(key).or_insert_with(|| Entry::new(now))
}
