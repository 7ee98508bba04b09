//! Files beside the application: finds the file that an address names, and never one outside its folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2};
use rustix::io::Errno;

use crate::http::Fields;
use crate::http::conditional::{Representation, Selection};

/// Looks at what a name stands for without opening it: no FIFO's writer wakes up, no device acts.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What stands in a path as it is (unreserved and the slash, RFC 3986 section 2.3).
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A folder of files, and where it stands in the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Decoded path; begins with a slash, and ends with none unless it is the root.
    pub prefix: Vec<u8>,
    /// Absolute.
    pub directory: PathBuf,
}

/// The answer to a request for a file.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What this file adds to the head: without Content-Length, Date and Server.
    pub fields: Fields,
    /// What to send; to HEAD the same as to GET, for its length.
    pub body: Body,
}

/// What is sent behind the head.
pub enum Body {
    /// Nothing that is known here: an error's page is made by the caller.
    None,
    /// A part of a file.
    File {
        /// A regular file, open for reading.
        file: File,
        /// Where the part begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
}

impl Mount {
    /// Parses `URL=DIR`; `here` is the folder from which a relative DIR counts. URL is written
    /// decoded. The error is a sentence's end that does not repeat the text.
    pub fn parse(text: &OsStr, here: &Path) -> Result<Self, String> {
        let mut halves = text.as_bytes().splitn(2, |byte| *byte == b'=');
        let (Some(url), Some(directory @ [_, ..])) = (halves.next(), halves.next()) else {
            return Err("expected URL=DIR, as in /static=public".to_owned());
        };
        let Some(mut names) = url.strip_prefix(b"/") else {
            return Err("the URL must begin with a slash".to_owned());
        };
        while let Some(shorter) = names.strip_suffix(b"/") {
            names = shorter;
        }
        let is_plain = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&b'%');
        if !names.is_empty() && !names.split(|byte| *byte == b'/').all(is_plain) {
            return Err("the URL must not contain //, /./, /../ or %".to_owned());
        }
        Ok(Self {
            prefix: [b"/", names].concat(),
            directory: here.join(OsStr::from_bytes(directory)),
        })
    }

    /// What is left of a path below this mount, if it is there: nothing, or what begins with a
    /// slash. The path is percent-decoded and has no dot segments.
    pub fn matches<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest = path.strip_prefix(self.prefix_without_slash())?;
        (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
    }

    fn prefix_without_slash(&self) -> &[u8] {
        self.prefix.strip_suffix(b"/").unwrap_or(&self.prefix)
    }
}

/// Answers a request for what [`Mount::matches`] left of its path.
pub fn answer(mount: &Mount, rest: &[u8], method: &str, request: &Fields) -> Answer {
    if !matches!(method, "GET" | "HEAD") {
        return Answer::new(405).with("Allow", "GET, HEAD");
    }
    match find(mount, rest) {
        Found::File(file) => file.answer(method, request),
        Found::Folder => {
            let path = [mount.prefix_without_slash(), rest, b"/"].concat();
            let location = percent_encode(&path, KEPT).to_string();
            // A browser may remember a redirect for ever, unless told otherwise.
            let answer = Answer::new(301).with("Cache-Control", "no-cache");
            answer.with("Location", location)
        }
        Found::Nothing => Answer::new(404),
        Found::Forbidden => Answer::new(403),
        Found::Unavailable => Answer::new(503),
    }
}

impl Answer {
    fn new(status: u16) -> Self {
        Self {
            status,
            fields: Fields::default(),
            body: Body::None,
        }
    }

    fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push(name, value);
        self
    }
}

/// What a path names.
enum Found {
    File(StaticFile),
    /// Without the slash that belongs to its name.
    Folder,
    Nothing,
    Forbidden,
    /// The system has no descriptors left, or the disk fails.
    Unavailable,
}

impl From<io::Error> for Found {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Self::Nothing,
            Some(Errno::XDEV) => Self::Nothing,
            Some(Errno::ACCESS | Errno::PERM) => Self::Forbidden,
            _ => Self::Unavailable,
        }
    }
}

fn find(mount: &Mount, rest: &[u8]) -> Found {
    let has_slash = rest.ends_with(b"/");
    let path = rest.strip_suffix(b"/").unwrap_or(rest);
    let names = path.strip_prefix(b"/").unwrap_or(path);
    // `.env`, `.git`, `..`: never meant for the world. No system call takes a NUL.
    let is_public = |name: &[u8]| !matches!(name, [] | [b'.', ..]) && !name.contains(&0);
    if !path.is_empty() && !names.split(|byte| *byte == b'/').all(is_public) {
        return Found::Nothing;
    }
    let mut name = Path::new(".").join(OsStr::from_bytes(names));
    match (look(&mount.directory, &name), has_slash) {
        (Ok(FileType::Directory), true) => name.push("index.html"),
        (Ok(FileType::Directory), false) => return Found::Folder,
        (Ok(_), true) => return Found::Nothing,
        (Ok(_), false) => {}
        (Err(error), _) => return error.into(),
    }
    StaticFile::open(&mount.directory, &name).map_or_else(Found::from, Found::File)
}

fn look(directory: &Path, name: &Path) -> io::Result<FileType> {
    let found = fstat(open_beneath(directory, name, LOOK)?)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

/// Opens what a relative path names, by links also; if they lead out of the folder, it is XDEV.
fn open_beneath(directory: &Path, name: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let root = open(directory, LOOK | OFlags::DIRECTORY, Mode::empty())?;
    let rules = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(&root, name, flags, Mode::empty(), rules) {
        // Linux before 5.6, a sandbox that forbids what it does not know, a folder that is moved
        // meanwhile.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => open_by_steps(directory, name, flags),
        // An absolute link may lead back into the folder. Whether what is outside may be looked at is nobody's concern.
        Err(Errno::XDEV) => open_by_steps(directory, name, flags).map_err(|_| Errno::XDEV.into()),
        opened => Ok(opened?),
    }
}

/// The same without openat2: links are resolved first, then none is followed on the way.
fn open_by_steps(directory: &Path, name: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let root = fs::canonicalize(directory)?;
    let real = fs::canonicalize(root.join(name))?;
    let inside = real.strip_prefix(&root).map_err(|_| Errno::XDEV)?;
    let folder = LOOK | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let mut at = open(&root, folder, Mode::empty())?;
    for step in inside.parent().unwrap_or(inside) {
        at = openat(&at, step, folder, Mode::empty())?;
    }
    let last = inside.file_name().unwrap_or(OsStr::new("."));
    Ok(openat(&at, last, flags | OFlags::NOFOLLOW, Mode::empty())?)
}

/// A regular file, open for reading.
struct StaticFile {
    file: File,
    media_type: String,
    length: u64,
    now: Representation,
}

impl StaticFile {
    fn open(directory: &Path, name: &Path) -> io::Result<Self> {
        if look(directory, name)? != FileType::RegularFile {
            return Err(Errno::NOENT.into());
        }
        // Should it be a FIFO by now, this does not wait.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(open_beneath(directory, name, flags)?);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(Errno::NOENT.into());
        }
        let modified = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        let tag = format!("{:x}-{modified:x}-{:x}", found.len(), found.ino());
        Ok(Self {
            media_type: media_type(name),
            length: found.len(),
            now: Representation::new(tag, found.modified()?, SystemTime::now(), found.len()),
            file,
        })
    }

    fn answer(self, method: &str, request: &Fields) -> Answer {
        let length = self.length;
        match self.now.select(method, request) {
            Selection::Whole => self.part(200, 0, length),
            Selection::Part { first, last } => self
                .part(206, first, last - first + 1)
                .with("Content-Range", format!("bytes {first}-{last}/{length}")),
            Selection::NotModified => self.validators(304),
            Selection::PreconditionFailed => Answer::new(412),
            Selection::Unsatisfiable => {
                Answer::new(416).with("Content-Range", format!("bytes */{length}"))
            }
        }
    }

    fn part(self, status: u16, offset: u64, length: u64) -> Answer {
        let mut answer = self
            .validators(status)
            .with("Content-Type", self.media_type)
            .with("X-Content-Type-Options", "nosniff")
            .with("Accept-Ranges", "bytes");
        answer.body = Body::File {
            file: self.file,
            offset,
            length,
        };
        answer
    }

    /// What 304 tells, too (RFC 9110 section 15.4.5). Files are edited: a browser is to ask each time.
    fn validators(&self, status: u16) -> Answer {
        Answer::new(status)
            .with("ETag", self.now.etag())
            .with("Last-Modified", self.now.last_modified())
            .with("Cache-Control", "no-cache")
    }
}

/// By the name's ending. Texts are taken for UTF-8, as no file says what it is.
fn media_type(name: &Path) -> String {
    let guess = mime_guess::from_path(name).first_raw();
    let known = guess.unwrap_or("application/octet-stream");
    let is_text = known.starts_with("text/")
        || matches!(known, "application/javascript" | "application/json")
        || known.ends_with("+json");
    format!("{known}{}", if is_text { "; charset=utf-8" } else { "" })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, symlink};

    use super::*;

    /// A folder `public` to serve, and beside it what must never be seen.
    fn site() -> (tempfile::TempDir, Mount) {
        let site = tempfile::tempdir().unwrap();
        let mount = Mount::parse(OsStr::new("/static/=public"), site.path()).unwrap();
        let public = &mount.directory;
        fs::create_dir_all(public.join("docs/my dir")).unwrap();
        for file in "../secret .env a.txt b.js docs/index.html".split(' ') {
            fs::write(public.join(file), "0123456789").unwrap();
        }
        let links = "docs/near>../a.txt folder>docs out>../secret up>.. proc>/proc/self/cwd";
        for (name, target) in links.split(' ').filter_map(|link| link.split_once('>')) {
            symlink(target, public.join(name)).unwrap();
        }
        symlink(public.join("a.txt"), public.join("absolute")).unwrap();
        let (public, fifo) = (open(public, LOOK, Mode::empty()).unwrap(), FileType::Fifo);
        rustix::fs::mknodat(public, "fifo", fifo, Mode::RWXU, 0).unwrap();
        (site, mount)
    }

    /// Asks for `METHOD rest | Name: value`; the status, each field and the text are lines.
    fn ask(mount: &Mount, request: &str) -> String {
        let (request, field) = request.split_once(" | ").unwrap_or((request, "Host: a"));
        let (method, rest) = request.split_once(' ').unwrap();
        let (name, value) = field.split_once(": ").unwrap();
        let asked = Answer::new(0).with(name, value);
        let answer = answer(mount, rest.as_bytes(), method, &asked.fields);
        let mut told = format!("{}\n", answer.status).into_bytes();
        for (name, value) in answer.fields.iter() {
            told.extend([name.as_bytes(), b": ", value, b"\n"].concat());
        }
        if let Body::File {
            file,
            offset,
            length,
        } = answer.body
        {
            let mut text = vec![0; length.try_into().unwrap()];
            file.read_exact_at(&mut text, offset).unwrap();
            told.extend(text);
        }
        String::from_utf8(told).unwrap()
    }

    /// Each line: a request, and lines of its answer.
    fn check(mount: &Mount, table: &str) {
        for (request, expected) in table.lines().filter_map(|line| line.split_once(" => ")) {
            let told = ask(mount, request.trim_start());
            for part in expected.split(" | ") {
                assert!(told.lines().any(|line| line == part), "{request}: {told}");
            }
        }
    }

    #[test]
    fn a_mount_is_a_url_and_a_folder() {
        let parse = |text: &str| Mount::parse(OsStr::new(text), Path::new("/here"));
        let (mount, root) = (parse("/a/b//=/c=d").unwrap(), parse("/=d").unwrap());
        assert_eq!(mount.directory, Path::new("/c=d"));
        assert_eq!(root.directory, Path::new("/here/d"));
        assert_eq!(mount.matches(b"/a/b").unwrap(), b"");
        assert_eq!(mount.matches(b"/a/b/c").unwrap(), b"/c");
        assert_eq!(mount.matches(b"/a/bc"), None);
        assert_eq!(root.matches(b"/x").unwrap(), b"/x");
        let mut wrong = "|/static|static=d|/a=|/a//b=d|/../a=d|/%20=d".split('|');
        assert!(wrong.all(|wrong| parse(wrong).is_err()));
    }

    #[test]
    fn only_files_below_the_folder_are_found() {
        let (_site, mount) = site();
        for path in "/a.txt /docs/near /folder/near /absolute /docs/ /folder/".split(' ') {
            check(&mount, &format!("GET {path} => 200 | 0123456789"));
        }
        let nothing = "/|//|/none|/a.txt/|/a.txt/x|/../secret|/docs/../../secret|/./a.txt|//a.txt|/.env|\
            /docs//near|/docs/../.env|/a.txt\0|/out|/up|/up/secret|/proc/src|/fifo|/fifo/|/docs/my dir/";
        for path in nothing.split('|').chain([&*"x".repeat(300)]) {
            check(&mount, &format!("GET {path} => 404"));
        }
        let finds = |name| open_by_steps(&mount.directory, Path::new(name), LOOK).is_ok();
        assert!([".", "docs/near", "absolute"].into_iter().all(finds));
        assert!(!["out", "up/secret", "proc", ".."].into_iter().any(finds));
        let found = Found::from(io::Error::from(Errno::ACCESS));
        assert!(matches!(found, Found::Forbidden));
    }

    #[test]
    fn answers_carry_the_fields_that_matter() {
        let (_site, mount) = site();
        let table = r#"GET  => 301 | Location: /static/ | Cache-Control: no-cache
            HEAD /docs/my dir => 301 | Location: /static/docs/my%20dir/
            POST /a.txt => 405 | Allow: GET, HEAD
            HEAD /a.txt | Range: bytes=1-2 => 200 | Accept-Ranges: bytes | 0123456789
            GET /b.js => X-Content-Type-Options: nosniff | Content-Type: text/javascript; charset=utf-8
            GET /absolute => Cache-Control: no-cache | Content-Type: application/octet-stream
            GET /a.txt | Range: bytes=7- => 206 | Content-Range: bytes 7-9/10 | 789
            GET /a.txt | Range: bytes=10- => 416 | Content-Range: bytes */10
            GET /a.txt | If-Match: "x" => 412"#;
        check(&mount, table);
        let told = ask(&mount, "GET /a.txt");
        let tag = told.lines().find_map(|line| line.strip_prefix("ETag: "));
        let known = format!("GET /a.txt | If-None-Match: {}", tag.unwrap());
        let fields = told.lines().skip(1).take(3).collect::<Vec<_>>().join("\n");
        assert_eq!(ask(&mount, &known), format!("304\n{fields}\n"));
        fs::write(mount.directory.join("a.txt"), "changed").unwrap();
        check(&mount, &format!("{known} => 200 | changed"));
    }
}
