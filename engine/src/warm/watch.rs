//! What an application was made of: every file and folder that was read while it was imported, and whether one
//! of them has changed since.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::statfs;
use wsgi_cgi_process::wait::is_readable;

/// A file that was written so shortly before it was looked at may be written again without showing it: the
/// kernel's clock for files goes in steps.
pub const STEP: Duration = Duration::from_millis(50);

/// Of a file.
const FILE: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF);

/// Of a folder on the way to it.
const FOLDER: WatchFlags = WatchFlags::MOVE_SELF
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::DONT_FOLLOW);

/// Of a link on the way to it, which may be replaced.
const LINK: WatchFlags = FOLDER.union(WatchFlags::ATTRIB);

/// File systems on which others write without the kernel telling: NFS, CIFS, SMB, SMB2, FUSE, 9p, AFS, Ceph, Coda,
/// GFS2, Lustre, OCFS2, and the shared folders of virtual machines.
const REMOTE: [u32; 15] = [
    0x6969,
    0xff53_4d42,
    0x517b,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0x7375_7245,
    0x0116_1970,
    0x0bd0_0bd0,
    0x7461_636f,
    0x786f_4256,
    0xbacb_acbc,
    0x7c7c_6673,
];

/// Settings that an application may look for without finding them, by the ends of their names.
const SETTINGS: [&[u8]; 9] = [
    b".py", b".so", b".pth", b".ini", b".toml", b".cfg", b".json", b".yaml", b".yml",
];

/// The zygote's; nobody else notes anything.
static NOTED: Mutex<Option<Noted>> = Mutex::new(None);

/// From here on, what is read is noted.
pub fn begin() {
    *lock() = Some(Noted::new());
}

/// What was noted. From here on, nothing is.
pub fn finish() -> Option<Noted> {
    lock().take()
}

/// A file is about to be read.
pub fn note_file(path: &Path) {
    if let Some(noted) = &mut *lock() {
        noted.file(path);
    }
}

/// A folder is about to be searched.
pub fn note_folder(path: &Path) {
    if let Some(noted) = &mut *lock() {
        noted.folder(path);
    }
}

fn lock() -> MutexGuard<'static, Option<Noted>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A folder that was searched.
struct Listing {
    modified: Option<(i64, i64)>,
    names: HashSet<OsString>,
}

/// Files, folders, and what watches them.
pub struct Noted {
    began: SystemTime,
    /// Never read: that something is in it is all that matters, in every process that has it.
    inotify: Option<OwnedFd>,
    files: HashMap<PathBuf, Option<Stamp>>,
    /// Those that nothing watches: to be looked at again each time.
    unwatched: Vec<PathBuf>,
    places: HashSet<PathBuf>,
    folders: HashMap<PathBuf, Listing>,
    remote: HashMap<u64, bool>,
    /// A file that changed while it was read.
    raced: Option<PathBuf>,
}

impl Noted {
    fn new() -> Self {
        Self {
            began: SystemTime::now(),
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok(),
            files: HashMap::new(),
            unwatched: Vec::new(),
            places: HashSet::new(),
            folders: HashMap::new(),
            remote: HashMap::new(),
            raced: None,
        }
    }

    /// How many files and folders.
    pub fn count(&self) -> usize {
        self.files.len() + self.folders.len()
    }

    /// How many of the files no kernel tells about.
    pub fn unwatched(&self) -> usize {
        self.unwatched.iter().filter(|path| path.exists()).count()
    }

    /// To be polled: it can be read when something has changed.
    pub fn inotify(&self) -> Option<&OwnedFd> {
        self.inotify.as_ref()
    }

    /// Watches before it is read: what happens later shows.
    fn file(&mut self, path: &Path) {
        let Ok(path) = std::path::absolute(path) else {
            return;
        };
        if let Some(source) = source_of_byte_code(&path) {
            return self.source(&source);
        }
        if self.files.contains_key(&path) || path.starts_with("/proc") || path.starts_with("/dev") {
            return;
        }
        let is_watched = self.watch(&path, FILE);
        let stamp = Stamp::of(&path);
        if !is_watched || self.is_remote(&path, stamp) {
            self.unwatched.push(path.clone());
        }
        self.place(&path);
        self.files.insert(path, stamp);
    }

    /// The source of byte code: Python has looked at it already, if not read it.
    fn source(&mut self, path: &Path) {
        if self.files.contains_key(path) {
            return;
        }
        self.file(path);
        let began = self.began.duration_since(SystemTime::UNIX_EPOCH);
        let began = began.unwrap_or_default().saturating_sub(STEP / 2);
        let limit = i64::try_from(began.as_secs()).unwrap_or(i64::MAX);
        let stamp = self.files.get(path).copied().flatten();
        if stamp.is_some_and(|stamp| stamp.changed >= (limit, i64::from(began.subsec_nanos()))) {
            self.raced.get_or_insert_with(|| path.to_owned());
        }
    }

    /// The folders and links that lead to it.
    fn place(&mut self, path: &Path) {
        for place in path.ancestors() {
            if !self.places.insert(place.to_owned()) {
                break;
            }
            let Ok(status) = fs::symlink_metadata(place) else {
                continue;
            };
            if status.is_symlink() {
                self.watch(place, LINK);
                if let Ok(target) = fs::canonicalize(place) {
                    self.place(&target);
                }
            } else if status.is_dir() {
                self.watch(place, FOLDER);
            }
        }
    }

    fn folder(&mut self, path: &Path) {
        let Ok(path) = std::path::absolute(path) else {
            return;
        };
        if self.folders.contains_key(&path) {
            return;
        }
        let listing = Listing::of(&path);
        self.place(&path);
        self.folders.insert(path, listing);
    }

    fn watch(&self, path: &Path, what: WatchFlags) -> bool {
        let Some(inotify) = &self.inotify else {
            return false;
        };
        inotify::add_watch(inotify, path, what).is_ok()
    }

    fn is_remote(&mut self, path: &Path, stamp: Option<Stamp>) -> bool {
        let Some(stamp) = stamp else {
            return false;
        };
        let remote = self.remote.entry(stamp.device);
        *remote.or_insert_with(|| {
            statfs(path).is_ok_and(|system| {
                u32::try_from(system.f_type).is_ok_and(|kind| REMOTE.contains(&kind))
            })
        })
    }

    /// Whether the kernel has told of a change.
    pub fn is_told_of_change(&self) -> bool {
        self.inotify.as_ref().is_some_and(is_readable)
    }

    /// Whether anything is not as it was, cheaply; a first answer, which [`Noted::change`] puts in words.
    pub fn has_changed(&self) -> bool {
        self.raced.is_some()
            || self.is_told_of_change()
            || self.unwatched.iter().any(|path| !self.is_same(path))
            || self.changed_folder().is_some()
    }

    /// What has changed, for a person.
    pub fn change(&self) -> Option<String> {
        if let Some(path) = &self.raced {
            return Some(format!("{} was changed just before", path.display()));
        }
        if !self.has_changed() {
            return None;
        }
        let file = self.files.keys().find(|path| !self.is_same(path));
        Some(match (file, self.changed_folder()) {
            (Some(path), _) => format!("{} has changed", path.display()),
            (None, Some((folder, name))) => {
                format!("{} is new", folder.join(name).display())
            }
            (None, None) => "a file or a folder on the way to one has changed".to_owned(),
        })
    }

    fn is_same(&self, path: &Path) -> bool {
        self.files.get(path).copied() == Some(Stamp::of(path))
    }

    fn changed_folder(&self) -> Option<(&Path, OsString)> {
        self.folders
            .iter()
            .find_map(|(path, listing)| listing.difference(path).map(|name| (path.as_path(), name)))
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let status = fs::metadata(path).ok()?;
        Some(Self {
            device: status.dev(),
            inode: status.ino(),
            size: status.size(),
            modified: (status.mtime(), status.mtime_nsec()),
            changed: (status.ctime(), status.ctime_nsec()),
        })
    }
}

impl Listing {
    fn of(path: &Path) -> Self {
        let modified = modified(path);
        let names = names(path);
        // What was changed just now may be changed again without showing it.
        let is_settled = |(seconds, nanoseconds): &(i64, i64)| {
            let seconds = u64::try_from(*seconds).unwrap_or(0);
            let nanoseconds = u32::try_from(*nanoseconds).unwrap_or(0);
            let at = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
            SystemTime::now().duration_since(at).unwrap_or_default() > STEP
        };
        Self {
            modified: modified.filter(is_settled),
            names,
        }
    }

    /// A name that has come. One that went was of no account, or its file was read and is watched.
    fn difference(&self, path: &Path) -> Option<OsString> {
        if self.modified.is_some() && self.modified == modified(path) {
            return None;
        }
        let mut names = names(path).into_iter();
        names.find(|name| !self.names.contains(name) && is_whole(&path.join(name)))
    }
}

fn modified(path: &Path) -> Option<(i64, i64)> {
    let status = fs::metadata(path).ok()?;
    Some((status.mtime(), status.mtime_nsec()))
}

/// The names in a folder that an import or a search for settings would find.
fn names(path: &Path) -> HashSet<OsString> {
    let Ok(entries) = fs::read_dir(path) else {
        return HashSet::new();
    };
    entries
        .flatten()
        .filter(is_found)
        .map(|entry| entry.file_name())
        .collect()
}

/// Whether there is something to import in a folder: applications make others, for their own use.
fn is_whole(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else {
        return true;
    };
    let is_module = |name: &OsStr| {
        [".py", ".so"]
            .iter()
            .any(|end| name.as_bytes().ends_with(end.as_bytes()))
    };
    entries.flatten().any(|entry| is_module(&entry.file_name()))
}

/// Modules, packages and settings; not what an application may write beside them.
fn is_found(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.as_bytes();
    let is_package = || {
        let may_be_folder = entry.file_type().is_ok_and(|kind| !kind.is_file());
        may_be_folder && !name.contains(&b'.') && name != b"__pycache__"
    };
    name.starts_with(b".env") || SETTINGS.iter().any(|end| name.ends_with(end)) || is_package()
}

/// `__pycache__/name.cpython-311.pyc` belongs to `name.py` beside the folder.
fn source_of_byte_code(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    if folder.file_name() != Some("__pycache__".as_ref()) {
        return None;
    }
    let name = path.file_name()?.as_bytes();
    let stem = name.split(|byte| *byte == b'.').next()?;
    let mut source = stem.to_owned();
    source.extend(b".py");
    Some(folder.parent()?.join(OsStr::from_bytes(&source)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A folder with a file, noted.
    fn noted(name: &str) -> (tempfile::TempDir, PathBuf, Noted) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, "a").unwrap();
        let mut noted = Noted::new();
        noted.folder(folder.path());
        noted.file(&file);
        assert!(!noted.has_changed());
        (folder, file, noted)
    }

    #[test]
    fn every_change_of_a_file_shows() {
        type Change = fn(&Path) -> io::Result<()>;
        let changes: [(&str, Change); 6] = [
            ("written", |file| fs::write(file, "b")),
            ("replaced", |file| {
                fs::write(file.with_extension("new"), "a")?;
                fs::rename(file.with_extension("new"), file)
            }),
            ("removed", |file| fs::remove_file(file)),
            ("moved", |file| fs::rename(file, file.with_extension("old"))),
            ("touched", |file| {
                let file = fs::File::options().append(true).open(file)?;
                file.set_modified(SystemTime::UNIX_EPOCH)
            }),
            ("moved with its folder", |file| {
                let folder = file.parent().unwrap_or(file);
                fs::rename(folder, folder.with_extension("old"))?;
                fs::create_dir(folder)?;
                fs::write(file, "a")
            }),
        ];
        for (what, change) in changes {
            let (_folder, file, noted) = noted("a.py");
            change(&file).unwrap();
            assert!(noted.has_changed(), "{what}");
            assert!(noted.change().is_some(), "{what}");
        }
    }

    #[test]
    fn a_link_that_leads_elsewhere_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for release in ["one", "two"] {
            fs::create_dir(path(release)).unwrap();
            fs::write(path(release).join("a.py"), release).unwrap();
        }
        std::os::unix::fs::symlink("one", path("current")).unwrap();
        let mut noted = Noted::new();
        noted.file(&path("current/a.py"));
        assert!(!noted.has_changed());
        std::os::unix::fs::symlink("two", path("new")).unwrap();
        fs::rename(path("new"), path("current")).unwrap();
        assert!(noted.has_changed());
    }

    #[test]
    fn what_was_looked_for_in_vain_shows_when_it_comes() {
        let (folder, _, mut noted) = noted("a.py");
        noted.file(&folder.path().join(".flaskenv"));
        assert!(!noted.has_changed());
        for noise in ["db.sqlite3-journal", "app.log", "log", "__pycache__"] {
            fs::write(folder.path().join(noise), "").unwrap();
        }
        fs::create_dir(folder.path().join("uploads")).unwrap();
        assert_eq!(noted.change(), None);
        fs::write(folder.path().join(".flaskenv"), "").unwrap();
        assert!(noted.change().unwrap().contains(".flaskenv has changed"));
        let (folder, _, noted) = self::noted("a.py");
        fs::write(folder.path().join("local_settings.py"), "").unwrap();
        assert!(noted.change().unwrap().contains("local_settings.py is new"));
    }

    #[test]
    fn byte_code_stands_for_its_source() {
        let source = source_of_byte_code(Path::new("/a/__pycache__/b.cpython-311.opt-1.pyc"));
        assert_eq!(source, Some("/a/b.py".into()));
        assert_eq!(source_of_byte_code(Path::new("/a/b.pyc")), None);
    }
}
