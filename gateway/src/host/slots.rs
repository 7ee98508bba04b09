//! How many children run at once, and who is next: in the order of arrival. When the queue is full, whoever has most
//! requests in it gives up the last of them to somebody who has fewer.

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
    running: usize,
    is_closed: bool,
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
pub struct Slot(Arc<Slots>);

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
            if !state.is_closed && state.running < self.limit && state.waiting.is_empty() {
                state.running += 1;
                return Ok(Answer::Granted(Slot(self.clone())));
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
                GRANTED => Answer::Granted(Slot(self.clone())),
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
                    drop(Slot(self.clone()));
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
        &self.0.children
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        match state.waiting.pop_front() {
            // The slot passes over: `running` stays.
            Some(next) => next.tell(GRANTED),
            None => state.running -= 1,
        }
    }
}

impl State {
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
        assert_eq!(slots.lock().running, 0);
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
        assert_eq!(slots.lock().running, 0);
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
        assert_eq!(slots.lock().running, 0);
    }
}
