//! How many children run at once, and who is next: whoever runs fewest, and of those who run equally many, who has
//! waited longest since its last turn. When the queue is full, whoever has most requests in it gives up the last of them
//! to somebody who has fewer.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};

use super::child::Children;
use super::places::Holder;
use crate::wait;

/// Room for so many children, and a queue before it.
pub struct Slots {
    limit: usize,
    queue_limit: usize,
    state: Mutex<State>,
    /// Those who run.
    pub(super) children: Children,
}

#[derive(Default)]
struct State {
    /// How many of them each has; none has zero.
    running: HashMap<Holder, usize>,
    is_closed: bool,
    /// Those of one holder are in the order of their arrival.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    turn: Arc<OwnedFd>,
    holder: Holder,
}

/// What an eventfd says to a request that waits.
const GRANTED: u64 = 1;
const REFUSED: u64 = 2;

/// The right to run one child; given back when it is dropped.
pub struct Slot {
    slots: Arc<Slots>,
    holder: Holder,
}

/// What became of a request for a slot.
pub enum Answer {
    /// A child may be started.
    Granted(Slot),
    /// The queue is full, or nothing is started any more.
    Full,
    /// The client did not wait.
    ClientGone,
}

impl Slots {
    /// For `limit` children and a queue of `queue_limit` requests.
    pub fn new(limit: usize, queue_limit: usize) -> Self {
        Self {
            limit,
            queue_limit,
            state: Mutex::default(),
            children: Children::default(),
        }
    }

    /// Waits for a slot as long as the client does. `still_reads` finds out whether one that has ended its own side does.
    pub fn acquire(
        self: &Arc<Self>,
        client: BorrowedFd<'_>,
        holder: Holder,
        still_reads: impl FnOnce() -> bool,
    ) -> io::Result<Answer> {
        let turn = {
            let mut state = self.lock();
            let running: usize = state.running.values().sum();
            if !state.is_closed && running < self.limit && state.waiting.is_empty() {
                state.begin(holder);
                return Ok(Answer::Granted(self.slot(holder)));
            }
            let is_full = state.waiting.len() >= self.queue_limit;
            if state.is_closed || (is_full && !state.make_room(holder)) {
                return Ok(Answer::Full);
            }
            let turn = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
            state.waiting.push_back(Waiting {
                turn: turn.clone(),
                holder,
            });
            turn
        };
        let is_turn = wait_for_turn(turn.as_fd(), client, still_reads)?;
        let mut state = self.lock();
        if state.is_closed {
            return Ok(Answer::Full);
        }
        if is_turn {
            return Ok(match answer(&turn)? {
                GRANTED => Answer::Granted(self.slot(holder)),
                _ => Answer::Full,
            });
        }
        let place = state
            .waiting
            .iter()
            .position(|waiting| Arc::ptr_eq(&waiting.turn, &turn));
        match place {
            Some(place) => drop(state.waiting.remove(place)),
            None => {
                drop(state);
                if answer(&turn)? == GRANTED {
                    // It was our turn in this very moment: the next one's now.
                    drop(self.slot(holder));
                }
            }
        }
        Ok(Answer::ClientGone)
    }

    /// Whether a request waits for one.
    pub fn is_wanted(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// From here on nothing is started; those who wait are sent away.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        for waiting in state.waiting.drain(..) {
            waiting.tell(REFUSED);
        }
    }

    fn slot(self: &Arc<Self>, holder: Holder) -> Slot {
        Slot {
            slots: self.clone(),
            holder,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives false if the client is gone.
fn wait_for_turn(
    turn: BorrowedFd<'_>,
    client: BorrowedFd<'_>,
    still_reads: impl FnOnce() -> bool,
) -> io::Result<bool> {
    let mut still_reads = Some(still_reads);
    loop {
        let interest = match still_reads {
            Some(_) => PollFlags::RDHUP,
            // It is told by itself when the connection is over.
            None => PollFlags::empty(),
        };
        let mut polled = [
            PollFd::new(&turn, PollFlags::IN),
            PollFd::new(&client, interest),
        ];
        wait::ready(&mut polled, None)?;
        let [turn, client] = polled.map(|polled| polled.revents());
        if !turn.is_empty() {
            return Ok(true);
        }
        if client != PollFlags::RDHUP
            || !still_reads.take().is_some_and(|still_reads| still_reads())
        {
            return Ok(false);
        }
    }
}

impl Slot {
    pub(super) fn children(&self) -> &Children {
        &self.slots.children
    }

    /// Whether somebody waits who would still run fewer with this one than its holder without it.
    pub(super) fn is_above_share(&self) -> bool {
        let state = self.slots.lock();
        let holds = state.runs(self.holder);
        let mut waiting = state.waiting.iter().map(|waiting| waiting.holder);
        waiting.any(|other| other != self.holder && state.runs(other) + 1 < holds)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.end(self.holder);
        if let Some(next) = state.next() {
            state.begin(next.holder);
            next.tell(GRANTED);
        }
    }
}

impl State {
    fn runs(&self, holder: Holder) -> usize {
        self.running.get(&holder).copied().unwrap_or_default()
    }

    fn begin(&mut self, holder: Holder) {
        *self.running.entry(holder).or_default() += 1;
    }

    fn end(&mut self, holder: Holder) {
        if let Entry::Occupied(mut running) = self.running.entry(holder) {
            *running.get_mut() -= 1;
            if *running.get() == 0 {
                running.remove();
            }
        }
    }

    /// Takes out the request whose turn it is. The others of its holder go behind everybody else's.
    fn next(&mut self) -> Option<Waiting> {
        let places = self.waiting.iter().enumerate();
        let (place, _) = places.min_by_key(|(_, waiting)| self.runs(waiting.holder))?;
        let next = self.waiting.remove(place)?;
        let waiting = self.waiting.make_contiguous();
        waiting.sort_by_key(|waiting| waiting.holder == next.holder);
        Some(next)
    }

    /// Refuses the last request of whoever has most, if that is more than `wants` has.
    fn make_room(&mut self, wants: Holder) -> bool {
        let mut have: HashMap<Holder, usize> = HashMap::new();
        for waiting in &self.waiting {
            *have.entry(waiting.holder).or_default() += 1;
        }
        let wanted = have.get(&wants).copied().unwrap_or_default();
        let most = have.into_iter().max_by_key(|(_, number)| *number);
        let Some((greedy, _)) = most.filter(|(_, number)| *number > wanted + 1) else {
            return false;
        };
        let last = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.holder == greedy);
        match last.and_then(|last| self.waiting.remove(last)) {
            Some(waiting) => waiting.tell(REFUSED),
            None => return false,
        }
        true
    }
}

impl Waiting {
    fn tell(&self, answer: u64) {
        let _ = rustix::io::write(&self.turn, &answer.to_ne_bytes());
    }
}

/// What was told to a request that is not in the queue any more.
fn answer(turn: &OwnedFd) -> io::Result<u64> {
    let mut answer = [0; 8];
    rustix::io::read(turn, &mut answer)?;
    Ok(u64::from_ne_bytes(answer))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;
    use crate::host::places::holder;

    fn granted(answer: io::Result<Answer>) -> Option<Slot> {
        match answer.unwrap() {
            Answer::Granted(slot) => Some(slot),
            Answer::Full | Answer::ClientGone => None,
        }
    }

    #[test]
    fn the_next_one_in_the_queue_gets_the_slot() {
        let slots = Arc::new(Slots::new(1, 2));
        let (client, _other) = UnixStream::pair().unwrap();
        let first = granted(slots.acquire(client.as_fd(), None, || false)).unwrap();
        thread::scope(|scope| {
            let mut order = Vec::new();
            for number in 1..=2 {
                let slots = &slots;
                let client = &client;
                order.push(
                    scope.spawn(move || granted(slots.acquire(client.as_fd(), None, || false))),
                );
                while slots.lock().waiting.len() < number {
                    thread::yield_now();
                }
            }
            assert!(matches!(
                slots.acquire(client.as_fd(), None, || false),
                Ok(Answer::Full)
            ));
            drop(first);
            let second = order.remove(0).join().unwrap().unwrap();
            assert_eq!(slots.lock().waiting.len(), 1);
            drop(second);
            drop(order.remove(0).join().unwrap().unwrap());
        });
        assert!(slots.lock().running.is_empty());
    }

    #[test]
    fn once_closed_nobody_gets_one() {
        let slots = Arc::new(Slots::new(1, 2));
        let (client, _other) = UnixStream::pair().unwrap();
        let first = granted(slots.acquire(client.as_fd(), None, || false));
        thread::scope(|scope| {
            let waits = scope.spawn(|| granted(slots.acquire(client.as_fd(), None, || false)));
            while slots.lock().waiting.is_empty() {
                thread::yield_now();
            }
            slots.close();
            assert!(waits.join().unwrap().is_none());
        });
        drop(first);
        assert!(granted(slots.acquire(client.as_fd(), None, || false)).is_none());
    }

    #[test]
    fn a_client_that_leaves_gives_its_place_up() {
        let slots = Arc::new(Slots::new(1, 2));
        let (client, other) = UnixStream::pair().unwrap();
        let first = granted(slots.acquire(client.as_fd(), None, || false));
        drop(other);
        assert!(matches!(
            slots.acquire(client.as_fd(), None, || false),
            Ok(Answer::ClientGone)
        ));
        drop(first);
        assert!(slots.lock().running.is_empty());
    }

    #[test]
    fn one_client_with_all_of_the_queue_keeps_nobody_out() {
        let slots = Arc::new(Slots::new(1, 3));
        let (client, _other) = UnixStream::pair().unwrap();
        let first = granted(slots.acquire(client.as_fd(), None, || false));
        let acquire = |address: &str| {
            let holder = holder(address);
            granted(slots.acquire(client.as_fd(), holder, || false))
        };
        thread::scope(|scope| {
            let mut greedy = Vec::new();
            for number in 1..=3 {
                greedy.push(scope.spawn(|| acquire("10.0.0.1").map(drop).is_some()));
                while slots.lock().waiting.len() < number {
                    thread::yield_now();
                }
            }
            assert!(acquire("10.0.0.1").is_none());
            let other = scope.spawn(|| acquire("10.0.0.2").map(drop).is_some());
            assert!(!greedy.pop().unwrap().join().unwrap());
            while slots.lock().waiting.len() < 3 {
                thread::yield_now();
            }
            // Each has as many as the other would have.
            assert!(acquire("10.0.0.2").is_none());
            drop(first);
            assert!(other.join().unwrap());
            assert!(greedy.into_iter().all(|one| one.join().unwrap()));
        });
        assert!(slots.lock().running.is_empty());
    }

    const GREEDY: &str = "10.0.0.1";
    const OTHER: &str = "10.0.0.2";

    /// Who is granted one, where these run and those wait in this order. If `ends`, each that begins has ended before the
    /// next is chosen.
    fn turns(running: &[&str], waiting: &[&'static str], ends: bool) -> Vec<usize> {
        let turn = || Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let turns: Vec<_> = waiting.iter().map(|_| turn()).collect();
        let mut state = State::default();
        for address in running {
            state.begin(holder(address));
        }
        for (turn, address) in turns.iter().zip(waiting) {
            state.waiting.push_back(Waiting {
                turn: turn.clone(),
                holder: holder(address),
            });
        }
        let mut order = Vec::new();
        while let Some(next) = state.next() {
            if !ends {
                state.begin(next.holder);
            }
            order.extend(turns.iter().position(|turn| Arc::ptr_eq(turn, &next.turn)));
        }
        order
    }

    #[test]
    fn an_address_with_many_requests_delays_nobody_else() {
        let waiting = [GREEDY, GREEDY, GREEDY, GREEDY, OTHER, "10.0.0.3", OTHER];
        // One that runs nothing comes first, and then whoever runs fewest.
        assert_eq!(
            turns(&[GREEDY, GREEDY], &waiting, false),
            [4, 5, 6, 0, 1, 2, 3]
        );
        // With one place they take turns.
        assert_eq!(turns(&[], &waiting, true), [0, 4, 5, 1, 6, 2, 3]);
    }

    #[test]
    fn one_address_alone_has_all_places_in_the_order_of_arrival() {
        for ends in [false, true] {
            assert_eq!(turns(&[GREEDY], &[GREEDY; 4], ends), [0, 1, 2, 3]);
        }
        let slots = Arc::new(Slots::new(3, 1));
        let (client, _other) = UnixStream::pair().unwrap();
        let all: Vec<_> = (0..3)
            .map(|_| granted(slots.acquire(client.as_fd(), holder(GREEDY), || false)).unwrap())
            .collect();
        assert!(!all.iter().any(Slot::is_above_share));
        drop(all);
        assert!(slots.lock().running.is_empty());
    }

    #[test]
    fn only_who_has_more_than_others_would_is_above_its_share() {
        for (runs, expected) in [(1, false), (2, true)] {
            let slots = Arc::new(Slots::new(runs, 1));
            let (client, _other) = UnixStream::pair().unwrap();
            let acquire =
                |address| granted(slots.acquire(client.as_fd(), holder(address), || false));
            let greedy: Vec<_> = (0..runs).map(|_| acquire(GREEDY).unwrap()).collect();
            thread::scope(|scope| {
                let other = scope.spawn(|| acquire(OTHER).map(drop).is_some());
                while slots.lock().waiting.is_empty() {
                    thread::yield_now();
                }
                assert!(greedy.iter().all(|one| one.is_above_share() == expected));
                drop(greedy);
                assert!(other.join().unwrap());
            });
        }
    }
}
