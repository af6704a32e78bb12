//! Who may hold one of the `MaxConnections` places, and who gives way when all are taken.
//!
//! ```text
//!            place free                       login complete
//!  accepted ────────────► Stranger ──────────────────────────────► Known (keeps its place)
//!     │                     │  ▲          the login is broken         │
//!     │ all are taken       │  └─────────────────────────────────────┘
//!     ▼                     ▼
//!  a stranger gives way, or the new connection is closed
//! ```
//!
//! A connection without a complete login is a stranger. While places are free an address may hold as many as it likes:
//! a fleet behind one address logs in at once. When all are taken, the oldest stranger of the address that has the most
//! of them gives way, so that one address keeps out itself only. An address with the most strangers gets in another one
//! only for one that had [`Places::GRACE`] for its login: honest logins of one fleet do not cut each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The places of all listeners.
#[derive(Debug)]
pub(crate) struct Places {
    most: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    taken: usize,
    /// By age: numbers are given in the order of arrival.
    strangers: BTreeMap<u64, Stranger>,
    /// How many of these each address has.
    addresses: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Stranger {
    address: IpAddr,
    since: Instant,
    leave: Arc<Notify>,
}

/// The place of one connection, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    address: IpAddr,
    leave: Arc<Notify>,
    standing: Mutex<Standing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stranger,
    Known,
    /// Somebody else has the place.
    Gone,
}

impl Places {
    /// So long may a login take before it gives way to another one from the same address.
    pub(crate) const GRACE: Duration = Duration::from_secs(10);

    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(most), state: Mutex::default() })
    }

    /// Another number of places from now on; nobody loses one.
    pub(crate) fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that was accepted at `now`; `None` where it is to be closed.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Place> {
        let address = network_of(peer);
        let mut state = self.state();
        if state.taken >= self.most.load(Ordering::Relaxed) {
            state.make_room(address, now)?;
        }
        let number = state.next;
        state.next += 1;
        state.taken += 1;
        let leave = Arc::new(Notify::new());
        state.enter(number, Stranger { address, since: now, leave: Arc::clone(&leave) });
        drop(state);
        let standing = Mutex::new(Standing::Stranger);
        Some(Place { places: Arc::clone(self), number, address, leave, standing })
    }
}

impl State {
    fn enter(&mut self, number: u64, stranger: Stranger) {
        *self.addresses.entry(stranger.address).or_default() += 1;
        self.strangers.insert(number, stranger);
    }

    fn leave(&mut self, number: u64) -> Option<Stranger> {
        let stranger = self.strangers.remove(&number)?;
        if let Some(count) = self.addresses.get_mut(&stranger.address) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&stranger.address);
            }
        }
        Some(stranger)
    }

    /// Lets a stranger go for a newcomer.
    fn make_room(&mut self, newcomer: IpAddr, now: Instant) -> Option<()> {
        let most = self.addresses.values().copied().max()?;
        let own = self.addresses.get(&newcomer).copied().unwrap_or_default();
        let has_most = |address: &IpAddr| self.addresses.get(address) == Some(&most);
        let (&number, oldest) =
            self.strangers.iter().find(|(_, stranger)| has_most(&stranger.address))?;
        // The newcomer's address would then have as many as the other one has now.
        let is_fair = own + 1 < most;
        if !is_fair && now.saturating_duration_since(oldest.since) < Places::GRACE {
            return None;
        }
        let gone = self.leave(number)?;
        self.taken -= 1;
        gone.leave.notify_one();
        Some(())
    }
}

impl Place {
    /// Tells whether the connection has a complete login. False when the place is somebody else's by now: then nothing
    /// more may be done for the connection, whose task is about to end.
    #[must_use]
    pub(crate) fn set_known(&self, is_known: bool) -> bool {
        let mut state = self.places.state();
        let mut standing = self.standing();
        match (*standing, is_known) {
            (Standing::Stranger, true) => {
                let left = state.leave(self.number);
                *standing = if left.is_some() { Standing::Known } else { Standing::Gone };
            }
            (Standing::Known, false) => {
                let (address, leave) = (self.address, Arc::clone(&self.leave));
                state.enter(self.number, Stranger { address, since: Instant::now(), leave });
                *standing = Standing::Stranger;
            }
            (Standing::Stranger, false) if !state.strangers.contains_key(&self.number) => {
                *standing = Standing::Gone;
            }
            _ => {}
        }
        *standing != Standing::Gone
    }

    /// Becomes ready when the connection has to give way.
    pub(crate) async fn given_up(&self) {
        self.leave.notified().await;
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        // Who gave way has no place to give back.
        if state.leave(self.number).is_some() || *self.standing() == Standing::Known {
            state.taken -= 1;
        }
    }
}

/// The address, or for IPv6 its /64, which one host can have all of.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_known(place: &Place) -> bool {
        *place.standing() == Standing::Known
    }

    fn has_to_leave(place: &Place) -> bool {
        !place.set_known(is_known(place))
    }

    #[test]
    fn one_address_may_hold_all_and_gives_way_to_others_oldest_first() {
        let (places, now) = (Places::new(4), Instant::now());
        let greedy: Vec<_> = (0..4).map(|_| places.take(ip("10.0.0.1"), now).unwrap()).collect();
        assert!(places.take(ip("10.0.0.1"), now).is_none(), "its own are too young");
        let other = places.take(ip("10.0.0.2"), now).unwrap();
        let gone: Vec<_> = greedy.iter().map(has_to_leave).collect();
        assert_eq!(gone, [true, false, false, false]);
        let third = places.take(ip("10.0.0.3"), now).unwrap();
        let gone: Vec<_> = greedy.iter().map(has_to_leave).collect();
        assert_eq!(gone, [true, true, false, false]);
        // The others have one each, and the greedy address two: nobody is cut for a third of it.
        assert!(places.take(ip("10.0.0.1"), now).is_none());
        assert!(!has_to_leave(&other) && !has_to_leave(&third));
    }

    #[test]
    fn login_that_takes_too_long_gives_way_to_its_own_address() {
        let (places, now) = (Places::new(2), Instant::now());
        let first = places.take(ip("10.0.0.1"), now).unwrap();
        let second = places.take(ip("10.0.0.1"), now + Duration::from_secs(1)).unwrap();
        let third = places.take(ip("10.0.0.1"), now + Places::GRACE);
        assert!(third.is_some() && has_to_leave(&first) && !has_to_leave(&second));
    }

    #[test]
    fn complete_logins_never_give_way_and_broken_ones_do() {
        let (places, now) = (Places::new(2), Instant::now());
        let one = places.take(ip("10.0.0.1"), now).unwrap();
        let two = places.take(ip("10.0.0.1"), now).unwrap();
        assert!(one.set_known(true) && two.set_known(true));
        assert!(places.take(ip("10.0.0.2"), now).is_none());
        assert!(one.set_known(false) && !is_known(&one));
        let late = now + Duration::from_secs(60);
        assert!(places.take(ip("10.0.0.2"), late).is_some());
        assert!(!one.set_known(true), "the place is gone");
        assert!(is_known(&two));
    }

    #[test]
    fn places_are_given_back_once() {
        let (places, now) = (Places::new(2), Instant::now());
        let late = now + Places::GRACE;
        let one = places.take(ip("10.0.0.1"), now).unwrap();
        let two = places.take(ip("10.0.0.1"), now).unwrap();
        let three = places.take(ip("10.0.0.1"), late).unwrap();
        drop(one);
        assert_eq!(places.state().taken, 2);
        assert!(two.set_known(true) && three.set_known(true));
        drop(two);
        drop(three);
        let state = places.state();
        assert_eq!((state.taken, state.strangers.len(), state.addresses.len()), (0, 0, 0));
    }

    #[test]
    fn addresses_of_one_64_are_one() {
        let (places, now) = (Places::new(2), Instant::now());
        let one = places.take(ip("2001:db8::1"), now).unwrap();
        let two = places.take(ip("2001:db8::2"), now).unwrap();
        assert!(places.take(ip("2001:db8::3"), now).is_none());
        assert!(places.take(ip("2001:db8:0:1::3"), now).is_some());
        assert!(has_to_leave(&one) && !has_to_leave(&two));
        // A mapped address is the IPv4 one.
        assert_eq!(network_of(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }
}
