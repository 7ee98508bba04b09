//! The messages of warm mode, between a client, a zygote and its spares.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use crate::handover::Job;
use crate::limits::Limit;
use crate::wire::{Decoder, Encoder, malformed, read_message};

/// A zygote's socket for requests, in the folder of its identity.
pub const REQUESTS: &str = "requests";
/// Its socket for `warm status` and `warm stop`.
pub const ORDERS: &str = "orders";
/// Locked as long as a zygote starts or lives.
pub const LOCK: &str = "lock";
/// Why no zygote lives here, for a while; or that one is about to.
pub const REASON: &str = "reason";
pub use wsgi_cgi_process::time_limits::REASON_LIFE;

/// What a client offers to a spare, with its descriptors 0, 1 and 2, the progress, and its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Whose zygote it wants, in full.
    pub identity: Vec<u8>,
    /// The file mode creation mask.
    pub umask: u32,
    /// Of the worker.
    pub limits: Vec<Limit>,
    /// The request.
    pub job: Job,
}

/// A spare's answer; the descriptors of an acceptance go before it: the worker's pidfd, and a pipe from its
/// zygote that will tell how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It serves the request, unless that was withdrawn: by the worker with this number.
    Accepted(u32),
    /// It does not, for this reason.
    Declined(String),
}

/// How long a zygote lives, and who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For every request of its user, until it is idle, old or stale. The other descriptor is its lock.
    Daemon,
    /// As long as the process that has started it. The other descriptor is a socket of that one, to which it tells an
    /// [`Init`]; when that closes, it ends.
    Attached,
    /// The same, and it forks nobody: it serves all requests itself.
    SameProcess,
}

/// How an attached zygote has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// It takes requests.
    Ready,
    /// The application is imported, and must not be forked, for this reason.
    NotForkable(String),
    /// The import failed: the error's code, the specifics, and further lines.
    Failed {
        /// `WC031`.
        code: String,
        /// In one line.
        reason: String,
        /// The traceback, mostly.
        detail: String,
    },
}

/// What a zygote is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Whose zygote it is, in full.
    pub identity: Vec<u8>,
    /// Where its sockets are.
    pub folder: PathBuf,
    /// It ends when it has had nothing to do for so long.
    pub idle: Duration,
    /// The path of a request to answer before it forks.
    pub rehearse: Option<Vec<u8>>,
    /// Spares to keep: always so many, or as the load has it.
    pub spares: Option<u64>,
    /// At most so many as the load has it.
    pub most_spares: u64,
    /// How long it lives, and who serves.
    pub mode: Mode,
    /// The application, and the deployment's environment.
    pub job: Job,
}

/// What is wanted of a zygote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A [`Status`].
    Tell,
    /// A [`Status`], and its end.
    Stop,
}

/// What a zygote says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The application.
    pub application: String,
    /// The interpreter and how it was chosen.
    pub interpreter: String,
    /// Its process.
    pub pid: u32,
    /// Since it was started, in milliseconds.
    pub age: u64,
    /// How long it imported, in milliseconds.
    pub import: u64,
    /// Requests that its workers took.
    pub served: u64,
    /// Spares that wait.
    pub spares: u64,
    /// Workers that run.
    pub workers: u64,
    /// The proportional memory of the zygote and its spares, in KiB.
    pub memory: u64,
    /// Files whose change would retire it.
    pub watched: u64,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

impl Offer {
    /// In bytes: most are shorter.
    pub const USUAL: usize = 8192;

    /// The whole message, its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.bytes(&self.identity);
        out.number(self.umask.into());
        out.count(self.limits.len());
        for (soft, hard) in &self.limits {
            for limit in [soft, hard] {
                out.byte(u8::from(limit.is_some()));
                out.number(limit.unwrap_or(0));
            }
        }
        self.job.write(&mut out);
        out.finish()
    }

    /// Reads what [`Offer::encode`] wrote.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let message = read_message(from)?;
        let mut input = Decoder::new(&message)?;
        let limit = |input: &mut Decoder<'_>| -> io::Result<Option<u64>> {
            let is_there = input.choice(false, true)?;
            Ok(Some(input.number()?).filter(|_| is_there))
        };
        let offer = Self {
            identity: input.bytes()?.to_vec(),
            umask: u32::try_from(input.number()?).map_err(|_| malformed("umask"))?,
            limits: input.list(|input: &mut Decoder<'_>| Ok((limit(input)?, limit(input)?)))?,
            job: Job::take(&mut input)?,
        };
        input.end()?;
        Ok(offer)
    }
}

impl Answer {
    /// Of an acceptance, in bytes. Another message may follow it.
    pub const ACCEPTANCE: usize = 14;

    /// The whole message, its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        match self {
            Self::Accepted(pid) => {
                out.byte(0);
                out.number((*pid).into());
            }
            Self::Declined(reason) => {
                out.byte(1);
                out.bytes(reason.as_bytes());
            }
        }
        out.finish()
    }

    /// Reads what [`Answer::encode`] wrote.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let message = read_message(from)?;
        let mut input = Decoder::new(&message)?;
        let answer = match input.byte()? {
            0 => {
                Self::Accepted(u32::try_from(input.number()?).map_err(|_| malformed("process id"))?)
            }
            1 => Self::Declined(input.text()?),
            _ => return Err(malformed("answer")),
        };
        input.end()?;
        Ok(answer)
    }
}

impl Start {
    /// The whole message, its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.bytes(&self.identity);
        out.path(&self.folder);
        out.number(u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX));
        out.option(self.rehearse.as_deref());
        out.byte(u8::from(self.spares.is_some()));
        out.number(self.spares.unwrap_or(0));
        out.number(self.most_spares);
        out.byte(match self.mode {
            Mode::Daemon => 0,
            Mode::Attached => 1,
            Mode::SameProcess => 2,
        });
        self.job.write(&mut out);
        out.finish()
    }

    /// Reads what [`Start::encode`] wrote.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let message = read_message(from)?;
        let mut input = Decoder::new(&message)?;
        let start = Self {
            identity: input.bytes()?.to_vec(),
            folder: input.path()?,
            idle: Duration::from_millis(input.number()?),
            rehearse: input.option(|input| Ok(input.bytes()?.to_vec()))?,
            spares: {
                let is_fixed = input.choice(false, true)?;
                Some(input.number()?).filter(|_| is_fixed)
            },
            most_spares: input.number()?,
            mode: match input.byte()? {
                0 => Mode::Daemon,
                1 => Mode::Attached,
                2 => Mode::SameProcess,
                _ => return Err(malformed("mode")),
            },
            job: Job::take(&mut input)?,
        };
        input.end()?;
        Ok(start)
    }
}

impl Init {
    /// The whole message, its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        match self {
            Self::Ready => out.byte(0),
            Self::NotForkable(reason) => {
                out.byte(1);
                out.bytes(reason.as_bytes());
            }
            Self::Failed {
                code,
                reason,
                detail,
            } => {
                out.byte(2);
                for text in [code, reason, detail] {
                    out.bytes(text.as_bytes());
                }
            }
        }
        out.finish()
    }

    /// Reads what [`Init::encode`] wrote.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let message = read_message(from)?;
        let mut input = Decoder::new(&message)?;
        let init = match input.byte()? {
            0 => Self::Ready,
            1 => Self::NotForkable(input.text()?),
            2 => Self::Failed {
                code: input.text()?,
                reason: input.text()?,
                detail: input.text()?,
            },
            _ => return Err(malformed("init")),
        };
        input.end()?;
        Ok(init)
    }
}

impl Order {
    /// One byte of a socket.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Tell => b't',
            Self::Stop => b's',
        }
    }

    /// What [`Order::to_byte`] gave.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Tell, Self::Stop]
            .into_iter()
            .find(|order| order.to_byte() == byte)
    }
}

impl Status {
    /// The whole message, its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.bytes(self.application.as_bytes());
        out.bytes(self.interpreter.as_bytes());
        out.number(self.pid.into());
        for number in [
            self.age,
            self.import,
            self.served,
            self.spares,
            self.workers,
            self.memory,
            self.watched,
        ] {
            out.number(number);
        }
        out.count(self.notes.len());
        for note in &self.notes {
            out.bytes(note.as_bytes());
        }
        out.finish()
    }

    /// Reads what [`Status::encode`] wrote.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let message = read_message(from)?;
        let mut input = Decoder::new(&message)?;
        let status = Self {
            application: input.text()?,
            interpreter: input.text()?,
            pid: u32::try_from(input.number()?).map_err(|_| malformed("process id"))?,
            age: input.number()?,
            import: input.number()?,
            served: input.number()?,
            spares: input.number()?,
            workers: input.number()?,
            memory: input.number()?,
            watched: input.number()?,
            notes: input.list(Decoder::text)?,
        };
        input.end()?;
        Ok(status)
    }
}
