//! The requests of `tests/requests`, byte for byte, at every pace: what is answered, and what reaches the application.
//!
//! A file's first line says what is to come: the statuses in their order (`|` between what may stand for
//! each other, `none` for no answer at all), then what becomes of the connection: `close` (the listener
//! ends it, and says so), `keep` (it takes another request) or `cut` (the client stops sending there).
//! Lines with `#` say why, lines with `=` what the application answers. Behind an empty line stands the
//! request, whose line ends are only those that are written as `\r\n`.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use crate::support::http::Reply;
use crate::support::listener::{Listener, Setup};
use crate::support::wire::{Pace, Then, exchange, readable, replies, says_close};

const PACES: [Pace; 3] = [Pace::Whole, Pace::ByteByByte, Pace::Split];
/// A valid request behind one that must end the connection: nobody may see it.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// A request behind one that must not, so that the connection has an end. The listener answers it by
/// itself; one byte too many before it, and its method is another one, to which `*` does not belong.
const LAST: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
pub const MAX_BODY: usize = 100 << 10;

pub struct Row {
    pub name: String,
    /// For each answer, the statuses that are right.
    pub statuses: Vec<Vec<u16>>,
    pub may_be_silent: bool,
    pub ending: Ending,
    pub says: Vec<Vec<u8>>,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Close,
    Keep,
    Cut,
}

/// The one listener, and the file where the application leaves a line for each call.
fn listener() -> &'static (Listener, PathBuf) {
    static LISTENER: OnceLock<(Listener, PathBuf)> = OnceLock::new();
    LISTENER.get_or_init(|| {
        let calls = Path::new(env!("CARGO_TARGET_TMPDIR")).join("raw-requests-calls");
        fs::write(&calls, "").unwrap();
        let listener = Setup::of("serve_echo.py")
            .option(format!("--env=CALLS={}", calls.display()))
            .option(format!("--max-body={MAX_BODY}"))
            // Every row of every test may run at once.
            .option("--max-queue=1000")
            .start();
        (listener, calls)
    })
}

pub fn rows(kind: &str, prefix: &str) -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/requests")
        .join(kind);
    let mut rows: Vec<Row> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(prefix)
        })
        .map(|path| row(&path))
        .collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!rows.is_empty(), "no {kind}/{prefix}*");
    rows
}

fn row(path: &Path) -> Row {
    let text = fs::read_to_string(path).unwrap();
    let (top, request) = text.split_once("\n\n").unwrap();
    let mut top = top.lines();
    let mut words: Vec<&str> = top.next().unwrap().split(' ').collect();
    let ending = match words.pop() {
        Some("close") => Ending::Close,
        Some("keep") => Ending::Keep,
        Some("cut") => Ending::Cut,
        other => panic!("{}: {other:?}", path.display()),
    };
    let may_be_silent = words
        .iter()
        .any(|word| word.split('|').any(|one| one == "none"));
    let numbers = |word: &&str| word.split('|').filter_map(|one| one.parse().ok()).collect();
    let mut statuses: Vec<Vec<u16>> = words.iter().map(numbers).collect();
    statuses.retain(|one| !one.is_empty());
    Row {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        statuses,
        may_be_silent,
        ending,
        says: top
            .filter_map(|line| line.strip_prefix("= "))
            .map(bytes)
            .collect(),
        bytes: request.lines().flat_map(bytes).collect(),
    }
}

/// A line of a file: `\r`, `\n`, `\t`, `\0`, `\\` and `\xFF` are bytes.
fn bytes(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        let escape = (letter == '\\').then(|| rest.next().unwrap());
        match escape {
            None => bytes.extend(letter.to_string().bytes()),
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            Some(other) => panic!("\\{other} in {line:?}"),
        }
    }
    bytes
}

/// Sends a row; says what was wrong with the answer.
fn check(row: &Row, pace: Pace) -> Result<(), String> {
    let (listener, calls) = listener();
    let (behind, then): (&[u8], _) = match row.ending {
        Ending::Close => (SMUGGLED, Then::Wait),
        Ending::Keep => (LAST, Then::Wait),
        Ending::Cut => (b"", Then::StopSending),
    };
    // A port can be the client's a second time.
    let before = fs::metadata(calls).unwrap().len();
    let (port, answer) = exchange(listener.port, &[&row.bytes, behind].concat(), pace, then);
    let answer = answer?;
    let mut answers = replies(&answer)?;
    answers.retain(|reply| reply.status != 100);
    let mut since = File::open(calls).unwrap();
    since.seek(SeekFrom::Start(before)).unwrap();
    let calls = io::read_to_string(since).unwrap();
    let mine = format!("{port} ");
    let mine = calls.lines().filter(|line| line.starts_with(&mine));
    let calls: Vec<&str> = mine.collect();
    if calls.iter().any(|call| call.ends_with("/smuggled")) {
        return Err(format!("the application was called: {calls:?}"));
    }
    let was_right = row.statuses.iter().any(|all| all.contains(&200));
    if !was_right && !calls.is_empty() {
        return Err(format!("the application was called: {calls:?}"));
    }
    if row.may_be_silent && answers.is_empty() {
        return Ok(());
    }
    if row.ending == Ending::Keep {
        let last = answers.pop().ok_or("no answer at all")?;
        if last.status != 204 {
            return Err(format!("the next request was answered with {last}"));
        }
    }
    let statuses: Vec<u16> = answers.iter().map(|reply| reply.status).collect();
    let fits = |(all, status): (&Vec<u16>, &u16)| all.contains(status);
    if statuses.len() != row.statuses.len() || !row.statuses.iter().zip(&statuses).all(fits) {
        return Err(format!(
            "{statuses:?} instead of {:?}: {:?}",
            row.statuses,
            readable(&answer)
        ));
    }
    ends_well(row, &answers)?;
    let said = answers.iter().map(|reply| &reply.body);
    match row
        .says
        .iter()
        .zip(said)
        .find(|(right, said)| right != said)
    {
        Some((right, said)) => Err(format!(
            "{:?} instead of {:?}",
            readable(said),
            readable(right)
        )),
        None => Ok(()),
    }
}

/// Connection says of every answer what becomes of the connection.
fn ends_well(row: &Row, answers: &[Reply]) -> Result<(), String> {
    for (number, reply) in answers.iter().enumerate() {
        let closes = reply.all("Connection").any(says_close);
        let is_last = number + 1 == answers.len();
        let should = row.ending == Ending::Close && is_last;
        if row.ending != Ending::Cut && closes != should {
            return Err(format!("Connection of answer {number} is wrong: {reply}"));
        }
    }
    Ok(())
}

/// Several at a time; a row that fails at one pace is not tried at another.
#[track_caller]
pub fn check_all(rows: &[Row], paces: &[Pace]) {
    let check = |row: &Row| {
        let failure = |pace: &Pace| {
            let failure = check(row, *pace).err()?;
            Some(format!("{} {pace:?}: {failure}", row.name))
        };
        paces.iter().find_map(failure)
    };
    let failures: Vec<String> = thread::scope(|scope| {
        let parts = rows.chunks(rows.len().div_ceil(4));
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().filter_map(check).collect::<Vec<_>>()))
            .collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results.flatten().collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n")
    );
}

#[track_caller]
fn refused(prefix: &str) {
    check_all(&rows("invalid", prefix), &PACES);
}

#[test]
fn a_length_that_is_doubtful_is_refused() {
    refused("length-");
}

#[test]
fn a_transfer_coding_that_is_doubtful_is_refused() {
    refused("coding-");
}

#[test]
fn chunks_that_are_doubtful_are_refused() {
    refused("chunk-");
}

#[test]
fn a_field_that_is_none_is_refused() {
    refused("field-");
}

#[test]
fn a_request_line_that_is_none_is_refused() {
    refused("line-");
}

#[test]
fn a_host_that_is_none_is_refused() {
    refused("host-");
}

#[test]
fn a_target_that_is_none_is_refused() {
    refused("target-");
}

#[test]
fn an_expectation_that_is_unknown_is_refused() {
    refused("expect-");
}

#[test]
fn what_is_right_is_answered_and_the_connection_stays_in_step() {
    check_all(&rows("valid", ""), &PACES);
}

/// Each test above takes the files of one prefix.
#[test]
fn no_file_is_left_out() {
    let prefixes = [
        "length-", "coding-", "chunk-", "field-", "line-", "host-", "target-", "expect-",
    ];
    for row in rows("invalid", "") {
        assert!(
            prefixes.iter().any(|prefix| row.name.starts_with(prefix)),
            "{}",
            row.name
        );
    }
}
