//! `wsgi-cgi warm`: this user's zygotes, shown, ended, started.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use contract::warm::{ORDERS, Order, REASON, Status};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use wsgi_cgi_process::time_limits::WARM_START;

use crate::cli::{self, WarmPlan};
use crate::doors::{cgi, refuse};
use crate::runner::Request;
use crate::runner::warm::{self, Seat, When, place};
use crate::terminal::Progress;

/// A zygote answers between two requests.
const PATIENCE: Duration = Duration::from_secs(5);

/// A reason why there was no zygote is told for so long.
const MEMORY: Duration = Duration::from_secs(3600);

/// Between two looks whether it is there.
const PAUSE: Duration = Duration::from_millis(5);

/// `arguments` stand behind `warm`.
pub fn run(arguments: &[OsString]) -> Outcome {
    match cli::parse_warm(arguments) {
        Ok(WarmPlan::Status(application)) => show(Order::Tell, application.as_deref()),
        Ok(WarmPlan::Stop(application)) => show(Order::Stop, application.as_deref()),
        Ok(WarmPlan::Start(arguments)) => match cgi::request(arguments, env::vars_os()) {
            Ok(request) => start(&request),
            Err(refusal) => refuse(refusal),
        },
        Err(refusal) => refuse(refusal),
    }
}

fn print(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(report::printable(text).as_bytes());
}

/// The folders where this user's zygotes may be: by this environment, and by a web server's.
fn folders() -> Vec<PathBuf> {
    let variables: Vec<_> = env::vars_os().collect();
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_bytes())
    };
    let user = geteuid().as_raw();
    let session = format!("/run/user/{user}");
    let mut folders = vec![
        place::folder(variable),
        place::folder(|name| variable(name).filter(|_| name == "TMPDIR")),
        place::folder(|name| (name == "XDG_RUNTIME_DIR").then_some(session.as_bytes())),
        place::folder(|_| None),
    ];
    folders.sort();
    folders.dedup();
    folders.retain(|folder| place::check(folder).is_ok());
    folders
}

fn show(order: Order, application: Option<&OsStr>) -> Outcome {
    let wanted = application.map(|name| match fs::canonicalize(name) {
        Ok(path) => path.display().to_string(),
        Err(_) => name.to_string_lossy().into_owned(),
    });
    let mut count = 0;
    for folder in folders() {
        let seats = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut seats: Vec<_> = seats.map(|entry| entry.path()).collect();
        seats.sort();
        for seat in seats {
            // First only asked: another application is not ended.
            let status = ask(&seat, Order::Tell).ok().filter(|status| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| status.application == *wanted)
            });
            let status = match (status, order) {
                (Some(_), Order::Stop) => ask(&seat, Order::Stop).ok(),
                (status, _) => status,
            };
            if let Some(status) = status {
                count += 1;
                print(&match order {
                    Order::Tell => described(&status, &seat),
                    Order::Stop => format!("{}: process {} ends\n", status.application, status.pid),
                });
            } else if wanted.is_none()
                && order == Order::Tell
                && !is_forgotten(&seat)
                && let Ok(reason) = fs::read_to_string(seat.join(REASON))
            {
                count += 1;
                print(&format!(
                    "not warm ({}): {}\n",
                    seat.display(),
                    reason.trim()
                ));
            }
        }
    }
    if count == 0 {
        print("no preloaded process\n");
    }
    Outcome::Complete
}

/// Whether the reason why there was no zygote is of long ago: then it goes, with its folder.
fn is_forgotten(seat: &Path) -> bool {
    let written = fs::metadata(seat.join(REASON)).and_then(|status| status.modified());
    let age = written.ok().and_then(|written| written.elapsed().ok());
    let is_old = age.is_some_and(|age| age > MEMORY);
    if is_old && warm::is_vacant(seat) {
        let _ = fs::remove_dir_all(seat);
    }
    is_old
}

/// What a zygote says of itself.
fn ask(seat: &Path, order: Order) -> io::Result<Status> {
    let mut socket = UnixStream::connect(seat.join(ORDERS))?;
    if socket_peercred(&socket)?.uid != geteuid() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(&[order.to_byte()])?;
    let status = Status::read(&mut socket)?;
    if order == Order::Stop {
        // It closes everything when it has let go of its name.
        let _ = socket.read(&mut [0]);
    }
    Ok(status)
}

fn described(status: &Status, seat: &Path) -> String {
    let seconds = |milliseconds: u64| Duration::from_secs(milliseconds / 1000);
    let mut text = format!(
        "{}\n  process      {}\n  interpreter  {}\n  age          {}, imported in {} ms\n  requests     {}\n  \
         waiting      {}, serving {}\n  memory       {:.1} MB, shared parts counted once\n  watches      {} files and folders\n  \
         folder       {}\n",
        status.application,
        status.pid,
        status.interpreter,
        humantime::format_duration(seconds(status.age)),
        status.import,
        status.served,
        status.spares,
        status.workers,
        status.memory as f64 / 1024.0,
        status.watched,
        seat.display(),
    );
    for note in &status.notes {
        text.push_str(&format!("  note         {note}\n"));
    }
    text
}

/// Starts the zygote that a request would use, and waits until it is there or cannot be.
fn start(request: &Request) -> Outcome {
    let started = env::current_dir().and_then(|here| {
        let seat = Seat::of(request, &here);
        // Asked for: what went wrong a moment ago may have been mended.
        let _ = fs::remove_file(seat.folder.join(REASON));
        started(request, &seat)
    });
    match started {
        Ok(text) => {
            print(&text);
            Outcome::Complete
        }
        Err(error) => {
            let failure = Failure::new(Code::NOT_WARMED, error.to_string());
            report::tell_line(&format!("{failure}\n"), None);
            Outcome::ApplicationFailed
        }
    }
}

/// What the zygote says of itself when it is there.
fn started(request: &Request, seat: &Seat) -> io::Result<String> {
    let deadline = Instant::now() + WARM_START;
    let mut said = String::new();
    let mut progress = None;
    while Instant::now() < deadline {
        if let Ok(status) = ask(&seat.folder, Order::Tell) {
            return Ok(described(&status, &seat.folder));
        }
        if warm::is_vacant(&seat.folder) {
            if let Ok(reason) = fs::read_to_string(seat.folder.join(REASON)) {
                return Err(io::Error::other(reason.trim()));
            }
            // It has a thread, and only a process of one thread may start others.
            progress = None;
            said = warm::start(request, seat, When::Now)?;
            if warm::is_vacant(&seat.folder) {
                break;
            }
        }
        progress.get_or_insert_with(|| Progress::of("importing the application"));
        thread::sleep(PAUSE);
    }
    Err(io::Error::other(said))
}
