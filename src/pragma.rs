//! Settings in the script itself, for servers that pass no variables: `# wsgi-cgi: timeout=30 debug`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use contract::files;

/// A pragma stands within the first so many bytes.
const LIMIT: u64 = 4096;

/// The words of the script's pragma lines, in order: `name` or `name=value`, without blanks.
pub fn read(script: &Path) -> io::Result<Vec<OsString>> {
    Ok(words(&beginning(script)?))
}

/// The first line of a file, without its end.
pub fn first_line(script: &Path) -> Option<Vec<u8>> {
    let start = beginning(script).ok()?;
    start
        .split(|byte| *byte == b'\n')
        .next()
        .map(<[u8]>::to_vec)
}

fn beginning(script: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    files::open(script)?.0.take(LIMIT).read_to_end(&mut start)?;
    Ok(start)
}

fn words(start: &[u8]) -> Vec<OsString> {
    let lines = start.split(|byte| *byte == b'\n');
    let pragmas = lines.filter_map(|line| {
        line.strip_prefix(b"#")?
            .trim_ascii_start()
            .strip_prefix(b"wsgi-cgi:")
    });
    pragmas
        .flat_map(|pragma| pragma.split(u8::is_ascii_whitespace))
        .filter(|word| !word.is_empty())
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comment_lines_of_ours_are_read() {
        let script = b"#!/usr/bin/env wsgi-cgi\n# wsgi-cgi: debug  error-log=/tmp/e\r\n#wsgi-cgi: timeout=3\nx = '# wsgi-cgi: no'\n";
        assert_eq!(words(script), ["debug", "error-log=/tmp/e", "timeout=3"]);
    }
}
