//! How far a request got: its states, the events that move it, and the counter that front and worker share.
//!
//! The table below is the whole protocol. `docs/how-it-works.md` draws it. The counter is an eventfd: each state that is
//! reached adds its bit, and whoever reads takes all bits out at once. So exactly one of a withdrawal and a claim finds
//! the bit of an offer, and a request is never run twice.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// How far a request got, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits for a worker, and the front may take it back.
    Offered,
    /// The front has taken it back: it runs cold.
    Withdrawn,
    /// One process has it, which has done nothing for it yet. A request that runs cold begins here.
    Claimed,
    /// The engine runs.
    Running,
    /// The response may have begun: nobody else may answer.
    Answering,
    /// The last byte of a response of known length may have left. Lighttpd sends SIGTERM as soon as it has the last
    /// promised byte: from then on it means no harm to what still runs.
    Completing,
}

/// What moves a request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The front takes it back.
    Withdraw,
    /// A worker takes it.
    Claim,
    /// The engine starts.
    Run,
    /// The first byte of the response is about to leave.
    Answer,
    /// The last byte of a response of known length is about to leave.
    Complete,
}

/// Every move there is; whatever is not here changes nothing.
pub const MOVES: [(State, Event, State); 5] = [
    (State::Offered, Event::Withdraw, State::Withdrawn),
    (State::Offered, Event::Claim, State::Claimed),
    (State::Claimed, Event::Run, State::Running),
    (State::Running, Event::Answer, State::Answering),
    (State::Answering, Event::Complete, State::Completing),
];

impl State {
    /// Where this event leads from here; None if it changes nothing.
    pub fn after(self, event: Event) -> Option<Self> {
        let moves = MOVES.iter();
        let mut moves = moves.filter(|(from, by, _)| (*from, *by) == (self, event));
        moves.next().map(|(.., to)| *to)
    }

    /// What the counter gets when this state is reached. An offer is the counter's first value.
    fn bit(self) -> u64 {
        match self {
            Self::Offered => 8,
            Self::Withdrawn | Self::Claimed => 0,
            Self::Running => 1,
            Self::Answering => 2,
            Self::Completing => 4,
        }
    }
}

/// The front's side: offers, withdraws, and asks how far the request got.
#[derive(Debug)]
pub struct Progress {
    counter: OwnedFd,
    state: State,
}

/// The worker's side.
#[derive(Debug)]
pub struct Reached(OwnedFd);

impl Progress {
    /// For a request that is offered to whoever claims it.
    pub fn offered() -> io::Result<Self> {
        Self::begin(State::Offered)
    }

    /// For a request that one process has from the beginning.
    pub fn claimed() -> io::Result<Self> {
        Self::begin(State::Claimed)
    }

    fn begin(state: State) -> io::Result<Self> {
        let first = u32::try_from(state.bit()).unwrap_or_default();
        let counter = eventfd(first, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { counter, state })
    }

    /// The counter, to be passed to the worker.
    pub fn counter(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }

    /// Takes an offered request back; gives false if a worker has it. What the worker has told meanwhile is kept.
    pub fn withdraw(&mut self) -> bool {
        let taken = take(&self.counter);
        if self.state == State::Offered && taken == State::Offered.bit() {
            self.move_on(Event::Withdraw);
        } else {
            self.note(taken);
        }
        self.state == State::Withdrawn
    }

    /// How far it got, once a worker has accepted it.
    pub fn state(&mut self) -> State {
        let taken = take(&self.counter);
        self.note(taken);
        self.state
    }

    /// Follows the bits that a worker has added.
    fn note(&mut self, taken: u64) {
        if self.state == State::Offered {
            // Who asks knows that a worker accepted it. If the worker died before it claimed the request, the offer's
            // own bit was taken out here, so that nobody can claim it later.
            self.move_on(Event::Claim);
        }
        let steps = [
            (State::Running, Event::Run),
            (State::Answering, Event::Answer),
            (State::Completing, Event::Complete),
        ];
        for (state, event) in steps {
            if taken & state.bit() != 0 {
                self.move_on(event);
            }
        }
    }

    fn move_on(&mut self, event: Event) {
        self.state = self.state.after(event).unwrap_or(self.state);
    }
}

impl Reached {
    /// The worker's side of a counter that was passed to it.
    pub fn new(counter: OwnedFd) -> Self {
        Self(counter)
    }

    /// Takes an offered request; gives false if the front has withdrawn it.
    pub fn claim(&self) -> bool {
        take(&self.0) == State::Offered.bit()
    }

    /// Tells that this state is reached, before anything is done that belongs to it.
    pub fn tell(&self, state: State) -> io::Result<()> {
        rustix::io::write(&self.0, &state.bit().to_ne_bytes())?;
        Ok(())
    }
}

/// Takes all bits out of the counter; none where there are none.
fn take(counter: &OwnedFd) -> u64 {
    let mut bytes = [0; 8];
    match rustix::io::read(counter, &mut bytes) {
        Ok(8) => u64::from_ne_bytes(bytes),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move_leads_forward_and_each_end_is_reached_by_one_side() {
        for (from, event, to) in MOVES {
            assert!(from < to, "{from:?} {event:?} {to:?}");
            assert_eq!(from.after(event), Some(to));
        }
        assert_eq!(State::Withdrawn.after(Event::Claim), None);
        assert_eq!(State::Claimed.after(Event::Withdraw), None);
        assert_eq!(State::Running.after(Event::Withdraw), None);
    }

    #[test]
    fn the_drawing_has_every_move_and_no_other() {
        let text = include_str!("../../docs/how-it-works.md");
        for (from, event, to) in MOVES {
            let arrow = format!("\n{from:?} ──{event:?}──► {to:?}");
            assert!(text.contains(&arrow), "{arrow}");
        }
        let states = [
            "Offered ──",
            "Claimed ──",
            "Running ──",
            "Answering ──",
            "Completing ──",
        ];
        let arrows = states.map(|state| text.matches(state).count());
        assert_eq!(arrows.iter().sum::<usize>(), MOVES.len());
    }

    /// What one side does next.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Withdraw,
        Ask,
        Work(Event),
    }

    /// Each order in which the steps of two sides can follow one another.
    fn interleavings(front: &[Step], worker: &[Step]) -> Vec<Vec<Step>> {
        let begin = |first: &Step, rests: Vec<Vec<Step>>| {
            let first = *first;
            rests.into_iter().map(move |mut rest| {
                rest.insert(0, first);
                rest
            })
        };
        match (front, worker) {
            ([], rest) | (rest, []) => vec![rest.to_vec()],
            ([one, front_rest @ ..], [other, worker_rest @ ..]) => {
                let mut all: Vec<_> = begin(one, interleavings(front_rest, worker)).collect();
                all.extend(begin(other, interleavings(front, worker_rest)));
                all
            }
        }
    }

    /// Runs every interleaving on a real counter, the worker dying after each of its steps: the request is never both
    /// withdrawn and claimed, and whatever the worker has told before the front asked is known to it.
    #[test]
    fn no_interleaving_runs_a_request_twice_or_forgets_how_far_it_got() {
        let work = [
            Step::Work(Event::Claim),
            Step::Work(Event::Run),
            Step::Work(Event::Answer),
            Step::Work(Event::Complete),
        ];
        let mut count = 0;
        for front in [
            vec![Step::Withdraw, Step::Ask],
            vec![Step::Withdraw, Step::Ask, Step::Ask],
            vec![Step::Withdraw, Step::Withdraw, Step::Ask],
            vec![Step::Ask, Step::Ask],
        ] {
            for dies_after in 0..=work.len() {
                for order in interleavings(&front, &work[..dies_after]) {
                    run(&order);
                    count += 1;
                }
            }
        }
        assert!(count > 100, "{count}");
    }

    fn run(order: &[Step]) {
        let mut progress = Progress::offered().unwrap();
        let worker = Reached::new(progress.counter().try_clone_to_owned().unwrap());
        let mut reached = State::Offered;
        let mut is_withdrawn = false;
        for step in order {
            match step {
                Step::Withdraw => is_withdrawn |= progress.withdraw(),
                Step::Ask if is_withdrawn => assert_eq!(progress.state(), State::Withdrawn),
                // The front asks when a worker has accepted; then a claim can no longer fail but by a withdrawal.
                Step::Ask => {
                    let state = progress.state();
                    assert!(state >= reached.max(State::Claimed), "{order:?}: {state:?}");
                    assert!(state == reached || reached == State::Offered, "{order:?}");
                    if reached == State::Offered {
                        // Nobody may claim it any more.
                        is_withdrawn = !worker.claim();
                        assert!(is_withdrawn, "{order:?}");
                        return;
                    }
                }
                Step::Work(Event::Claim) => {
                    if !worker.claim() {
                        assert!(is_withdrawn, "{order:?}");
                        return;
                    }
                    assert!(!is_withdrawn, "{order:?}");
                    reached = State::Claimed;
                }
                Step::Work(event) => {
                    reached = reached.after(*event).unwrap();
                    worker.tell(reached).unwrap();
                }
            }
        }
        assert!(
            !(is_withdrawn && reached > State::Offered),
            "{order:?}: withdrawn and {reached:?}"
        );
    }
}
