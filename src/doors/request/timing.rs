//! Where the time of a request goes, by what the engine and Python tell of it.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Screen, ended};
use super::asked::Request;
use super::child::{Answered, Running, command};
use super::{Ended, milliseconds};
use crate::cgi::response::Head;
use crate::plan::RequestPlan;

/// As many imports are shown.
const IMPORTS: usize = 10;

/// Something that takes longer shows that it goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// The parts of one request.
const PARTS: [(&str, &str); 7] = [
    ("spawn", "starting the process"),
    (
        "front",
        "finding the application and its interpreter; handing over",
    ),
    ("interpreter", "starting Python"),
    ("import", "importing the application"),
    ("application", "the application, to its first block"),
    ("output", "the rest of the response"),
    ("total", ""),
];

type Times = [Duration; PARTS.len()];

/// An import, as `python -X importtime` tells it.
pub struct Import {
    /// Alone, in microseconds.
    pub own: u64,
    /// With what it imports.
    pub cumulative: u64,
    /// Of the module.
    pub name: String,
    /// How many imports it is part of.
    pub depth: usize,
}

/// One request: the response where it always goes, the times on stderr.
pub fn once(plan: &RequestPlan, request: &Request) -> io::Result<Ended> {
    let mut screen = Screen::new(&plan.showing)?;
    let (answered, spawn, imports) =
        measure(plan, request, |head, piece| screen.show(head, piece))?;
    let times = times(&answered, spawn);
    let mut err = io::stderr().lock();
    writeln!(err, "{:>10}  of the request", "ms")?;
    for ((name, meaning), time) in PARTS.iter().zip(times) {
        writeln!(err, "{:>10.1}  {name:<12}{meaning}", milliseconds(time))?;
    }
    if !imports.is_empty() {
        writeln!(
            err,
            "\n{:>10} {:>8}  the slowest imports: each alone, and with what it imports (timing them costs some time, too)",
            "ms", "ms"
        )?;
        for import in imports.iter().take(IMPORTS) {
            let (own, all) = (thousandths(import.own), thousandths(import.cumulative));
            writeln!(err, "{own:>10.1} {all:>8.1}  {}", import.name)?;
        }
    }
    Ok(ended(&answered, &plan.showing))
}

/// Several requests: a table of the least, the median and the most of each part.
pub fn repeat(plan: &RequestPlan, request: &Request, number: u32) -> io::Result<Ended> {
    let started = Instant::now();
    let shows_progress = io::stderr().is_terminal();
    let mut all: Vec<Times> = Vec::new();
    let mut last = None;
    for count in 1..=number {
        let mut command = command(&plan.arguments, request);
        command.env("WSGI_CGI_DEBUG", "true");
        let running = Running::start(command, request, Stdio::inherit())?;
        let spawn = running.spawn;
        let answered = running.read(|_, _| Ok(()))?;
        all.push(times(&answered, spawn));
        let is_over = ended(&answered, &plan.showing);
        let failed = is_over.exit_status() != 0;
        last = Some(is_over);
        if shows_progress && started.elapsed() > PATIENCE {
            eprint!("\r{count} of {number}");
        }
        if failed {
            break;
        }
    }
    if shows_progress && started.elapsed() > PATIENCE {
        eprint!("\r{:20}\r", "");
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:>10} {:>10} {:>10}  ms, of {} requests",
        "min",
        "median",
        "max",
        all.len()
    )?;
    for (index, (name, meaning)) in PARTS.iter().enumerate() {
        let mut part: Vec<_> = all.iter().filter_map(|times| times.get(index)).collect();
        part.sort();
        let pick = |at: usize| part.get(at).map_or(0.0, |time| milliseconds(**time));
        let (least, median, most) = (
            pick(0),
            pick(part.len() / 2),
            pick(part.len().saturating_sub(1)),
        );
        writeln!(
            out,
            "{least:>10.1} {median:>10.1} {most:>10.1}  {name:<12}{meaning}"
        )?;
    }
    Ok(last.unwrap_or(Ended::Different))
}

/// One request whose imports are timed; the slowest of them first.
fn measure(
    plan: &RequestPlan,
    request: &Request,
    seen: impl FnMut(&Head, &[u8]) -> io::Result<()>,
) -> io::Result<(Answered, Duration, Vec<Import>)> {
    let mut command = command(&plan.arguments, request);
    command
        .env("WSGI_CGI_DEBUG", "true")
        .env("PYTHONPROFILEIMPORTTIME", "1");
    let mut running = Running::start(command, request, Stdio::piped())?;
    let spawn = running.spawn;
    let errors = running.stderr();
    let reader = thread::spawn(move || errors.map(read_imports).unwrap_or_default());
    let answered = running.read(seen)?;
    let mut imports = reader.join().unwrap_or_default();
    imports.sort_by_key(|import| std::cmp::Reverse(import.own));
    Ok((answered, spawn, imports))
}

/// Takes the lines of importtime; everything else is passed on to stderr.
fn read_imports(errors: impl Read) -> Vec<Import> {
    let mut imports = Vec::new();
    for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
        match import(&String::from_utf8_lossy(&line)) {
            Some(Ok(import)) => imports.push(import),
            // The heading.
            Some(Err(())) => {}
            None => {
                let _ = io::stderr().write_all(&[&line[..], b"\n"].concat());
            }
        }
    }
    imports
}

/// `import time:       123 |        456 |   package.module`; None for another line, an error for the heading.
pub fn import(line: &str) -> Option<Result<Import, ()>> {
    let rest = line.strip_prefix("import time:")?;
    let mut columns = rest.split('|');
    let (own, cumulative, name) = (columns.next()?, columns.next()?, columns.next()?);
    let (Ok(own), Ok(cumulative)) = (own.trim().parse(), cumulative.trim().parse()) else {
        return Some(Err(()));
    };
    Some(Ok(Import {
        own,
        cumulative,
        name: name.trim().to_owned(),
        // One blank, then two for each.
        depth: (name.len() - name.trim_start().len()) / 2,
    }))
}

fn times(answered: &Answered, spawn: Duration) -> Times {
    let told = |name: &str| {
        let fields = answered.head.iter().flat_map(|head| &head.fields);
        let mut timings = fields
            .filter(|(field, _)| field.eq_ignore_ascii_case("Server-Timing"))
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            // Not the application's own.
            .filter(|value| value.contains("import;dur=") && value.contains("application;dur="));
        let value = timings.next()?;
        let part = value
            .split(", ")
            .find_map(|part| part.strip_prefix(name)?.strip_prefix(";dur="))?
            .to_owned();
        part.parse()
            .ok()
            .map(|number: f64| Duration::from_secs_f64(number / 1000.0))
    };
    let part = |name| told(name).unwrap_or_default();
    let (interpreter, import, application) =
        (part("interpreter"), part("import"), part("application"));
    let front = answered
        .to_head
        .saturating_sub(spawn + interpreter + import + application);
    let output = answered.total.saturating_sub(answered.to_head);
    [
        spawn,
        front,
        interpreter,
        import,
        application,
        output,
        answered.total,
    ]
}

fn thousandths(number: u64) -> f64 {
    milliseconds(Duration::from_micros(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn importtime_is_read_and_nothing_else() {
        let lines = "import time: self [us] | cumulative | imported package\nimport time:       123 |       4567 |   os.path\nours\n";
        let imports = read_imports(lines.as_bytes());
        let [import] = imports.as_slice() else {
            panic!("{} imports", imports.len());
        };
        assert_eq!(
            (import.own, import.cumulative, import.name.as_str()),
            (123, 4567, "os.path")
        );
    }
}
