//! Complaints where descriptor 2 is the client's: a host may have made it the pipe or socket of the response.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{FileType, fstat};
use rustix::stdio;

/// Whether the client reads what is written to descriptor 2. A terminal, or a file, is a person's.
pub fn reach_the_client() -> bool {
    is_same_channel(stdio::stderr(), stdio::stdout())
        || is_same_channel(stdio::stderr(), stdio::stdin())
}

/// Whether both are one pipe or socket.
pub fn is_same_channel(a: impl AsFd, b: impl AsFd) -> bool {
    let (Ok(a), Ok(b)) = (fstat(a), fstat(b)) else {
        return false;
    };
    matches!(
        FileType::from_raw_mode(a.st_mode),
        FileType::Fifo | FileType::Socket
    ) && (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// Makes descriptor 2 the end of the first of these files that can be opened, for this process and all that it starts.
pub fn go_to(files: &[&Path]) {
    let open = |file: &&Path| File::options().append(true).create(true).open(file).ok();
    if let Some(file) = files.iter().find_map(open) {
        let _ = stdio::dup2_stderr(file);
    }
}
