//! The places for connections. When all are taken, the address that holds most of them gives one up: one that waits for
//! its client.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, Shutdown};
use rustix::process::{Resource, getrlimit};

use crate::wait;

/// Connections at once.
const MOST: usize = 1000;

/// For a connection that has given its place up.
const PATIENCE: Duration = Duration::from_millis(100);

/// For a client that is sent away.
pub const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Room for connections.
pub struct Places {
    limit: usize,
    state: Mutex<State>,
    /// Tells of a place that was dropped.
    dropped: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Those who have one, and those who gave theirs up and are about to end.
    open: usize,
    taken: BTreeMap<u64, Held>,
}

/// One connection's place, until it is dropped, or given up for another.
pub struct Place {
    places: Arc<Places>,
    number: u64,
}

struct Held {
    holder: Holder,
    socket: Arc<OwnedFd>,
    phase: Phase,
    since: Instant,
}

/// Who counts as one client; None by a unix socket.
pub type Holder = Option<IpAddr>;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The client may send a request, or its head.
    Idle,
    /// The client sends a body.
    Body,
    /// The client takes its answer.
    Reply,
    /// The request waits for its turn, or its script runs.
    Script,
}

impl Default for Places {
    /// A quarter of the descriptors is left to scripts and files.
    fn default() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current;
        let descriptors =
            descriptors.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
        Self::new(MOST.min(descriptors / 4 * 3))
    }
}

impl Places {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            dropped: Condvar::new(),
        }
    }

    /// A place for a connection from this address. None if all are taken, and none of them waits for its client.
    pub fn take(self: &Arc<Self>, socket: Arc<OwnedFd>, remote: &str) -> Option<Place> {
        let holder = holder(remote);
        let mut state = self.lock();
        if state.taken.len() >= self.limit && !state.make_room(holder) {
            return None;
        }
        // Its descriptor is needed, too.
        let is_full = |state: &mut State| state.open >= self.limit;
        let waited = self.dropped.wait_timeout_while(state, PATIENCE, is_full);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.open += 1;
        let number = state.next;
        state.next += 1;
        let held = Held {
            holder,
            socket,
            phase: Phase::Idle,
            since: Instant::now(),
        };
        state.taken.insert(number, held);
        drop(state);
        Some(Place {
            places: self.clone(),
            number,
        })
    }

    /// Makes room where something else has run out, for nobody knows whom; gives false if there is none.
    pub fn make_room(&self) -> bool {
        self.lock().make_room(None)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By REMOTE_ADDR. An IPv6 client has a whole network (RFC 4291 section 2.5.1).
pub fn holder(remote: &str) -> Holder {
    Some(match remote.parse().ok()? {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    })
}

impl State {
    /// Ends the connection that is missed least: of the address that holds most, an idle one before one that sends or
    /// takes something, the oldest first. Nobody gives up one for somebody who holds more.
    fn make_room(&mut self, wants: Holder) -> bool {
        let mut holds: HashMap<Holder, usize> = HashMap::new();
        for held in self.taken.values() {
            *holds.entry(held.holder).or_default() += 1;
        }
        let number_of = |holder| holds.get(&holder).copied().unwrap_or_default();
        let wanted = number_of(wants);
        let victim = self
            .taken
            .iter()
            .filter(|(_, held)| held.phase != Phase::Script && number_of(held.holder) >= wanted)
            .filter(|(_, held)| !held.has_request())
            .max_by_key(|(_, held)| {
                let is_idle = held.phase == Phase::Idle;
                (number_of(held.holder), is_idle, Reverse(held.since))
            });
        let victim = victim.map(|(number, _)| *number);
        let Some(held) = victim.and_then(|number| self.taken.remove(&number)) else {
            return false;
        };
        held.end();
        true
    }
}

impl Held {
    /// Whether a request has come that its thread has not seen yet.
    fn has_request(&self) -> bool {
        self.phase == Phase::Idle
            && matches!(
                wait::readable(&*self.socket, Some(Instant::now())),
                Ok(true)
            )
    }

    /// Its thread finds the connection closed.
    fn end(&self) {
        match self.phase {
            // An answer that only the end of the connection ends must not look whole: this resets it.
            Phase::Reply if rustix::net::connect_unspec(&*self.socket).is_ok() => return,
            Phase::Body => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                let _ = rustix::net::send(&*self.socket, BUSY, flags);
            }
            _ => {}
        }
        let _ = rustix::net::shutdown(&*self.socket, Shutdown::Both);
    }
}

impl Place {
    /// Says what the connection is at; gives whether it still has its place.
    pub fn enter(&self, phase: Phase) -> bool {
        let mut state = self.places.lock();
        let held = state.taken.get_mut(&self.number);
        held.map(|held| (held.phase, held.since) = (phase, Instant::now()))
            .is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.taken.remove(&self.number);
        state.open -= 1;
        self.places.dropped.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    struct Client {
        stream: UnixStream,
        place: Place,
    }

    fn client(places: &Arc<Places>, remote: &str) -> Option<Client> {
        let (stream, socket) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let place = places.take(Arc::new(socket.into()), remote)?;
        Some(Client { stream, place })
    }

    fn is_ended(client: &mut Client) -> bool {
        matches!(client.stream.read(&mut [0]), Ok(0))
    }

    #[test]
    fn who_holds_most_gives_one_up_and_others_keep_theirs() {
        let places = Arc::new(Places::new(5));
        let other = client(&places, "10.0.0.2").unwrap();
        // Addresses of one network, as one client has them.
        let [mut sends, runs, mut oldest, mut next] =
            [1, 2, 3, 4].map(|number| client(&places, &format!("2001:db8::{number}")).unwrap());
        assert!(sends.place.enter(Phase::Body));
        assert!(runs.place.enter(Phase::Script));
        let third = client(&places, "10.0.0.3").unwrap();
        assert!(is_ended(&mut oldest) && !oldest.place.enter(Phase::Script));
        let mut asks = client(&places, "2001:db8::9").unwrap();
        assert!(is_ended(&mut next));
        // Its request has come: it is not idle.
        asks.stream.write_all(b"GET").unwrap();
        let _fourth = client(&places, "10.0.0.4").unwrap();
        let mut answer = [0; 12];
        sends.stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 503");
        for mut other in [other, third, runs, asks] {
            assert!(!is_ended(&mut other));
        }
    }

    #[test]
    fn nobody_gives_one_up_for_somebody_who_holds_more() {
        let places = Arc::new(Places::new(3));
        let greedy: Vec<_> = (0..2).map(|_| client(&places, "10.0.0.1")).collect();
        for client in greedy.iter().flatten() {
            assert!(client.place.enter(Phase::Script));
        }
        let mut other = client(&places, "10.0.0.2").unwrap();
        assert!(client(&places, "10.0.0.1").is_none());
        assert!(!is_ended(&mut other));
        drop(greedy);
        assert!(client(&places, "10.0.0.1").is_some());
    }
}
