//! The token that opens the self-test, and the file by which the application's owner allows it.

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, open};
use sha2::{Digest, Sha256};

/// The file's name. It stands beside the application's file.
pub const FILE: &str = ".wsgi-cgi-self-test";

/// Seconds for which a token is valid.
pub const LIFE: u64 = 120;

/// The line that the client adds each time when it has seen the first piece of a response.
pub const SEEN: &str = "seen\n";

/// More than a token file has.
const LIMIT: u64 = 256;

/// May write to what belongs to somebody else.
const OTHERS_WRITE: u32 = 0o022;

/// What the file says. It may lie where visitors can fetch it: it holds no token, only a token's digest.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Of the token.
    digest: [u8; 32],
    /// In seconds since 1970.
    pub expires: u64,
    /// How often [`SEEN`] follows.
    pub seen: usize,
}

/// What a token opens.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The self-test.
    Open(Ticket),
    /// Nothing, for a reason that is told to nobody but who has the token.
    Refused(&'static str),
    /// Nothing; not even that there is a self-test.
    Unknown,
}

/// A new token: 256 bits of the kernel's randomness, as hexadecimal digits.
pub fn new() -> io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hexadecimal(&bytes))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// What `token` opens now, by the file at `place`, for an application of this owner.
pub fn verify(place: &Path, owner: u32, token: &[u8], now: u64) -> Verdict {
    let Ok((ticket, user, mode)) = read(place) else {
        return Verdict::Unknown;
    };
    if !ticket.is_of(token) {
        return Verdict::Unknown;
    }
    if user != owner && user != 0 {
        return Verdict::Refused("the token file belongs to somebody else than the application");
    }
    if mode & OTHERS_WRITE != 0 {
        return Verdict::Refused("others may write to the token file");
    }
    match ticket.expires.checked_sub(now) {
        None | Some(0) => Verdict::Refused("the token has expired"),
        Some(1..=LIFE) => Verdict::Open(ticket),
        Some(_) => Verdict::Refused("the token is valid for too long"),
    }
}

/// The ticket in a regular file, no link, with its owner and mode.
pub fn read(place: &Path) -> io::Result<(Ticket, u32, u32)> {
    // Without waiting for whoever writes to a pipe of this name.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(open(place, flags, Mode::empty())?);
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text)?;
    let ticket = Ticket::parse(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok((ticket, status.uid(), status.mode()))
}

impl Ticket {
    /// For this token, from `now` on.
    pub fn of(token: &str, now: u64) -> Self {
        Self {
            digest: Sha256::digest(token).into(),
            expires: now + LIFE,
            seen: 0,
        }
    }

    /// The file's text.
    pub fn build(&self) -> String {
        format!("{} {}\n", self.expires, hexadecimal(&self.digest))
    }

    /// Names this run in the server's log. It tells nothing of the token.
    pub fn name(&self) -> String {
        hexadecimal(self.digest.get(..4).unwrap_or_default())
    }

    fn parse(text: &str) -> Option<Self> {
        let (line, rest) = text.split_once('\n')?;
        let (expires, digest) = line.split_once(' ')?;
        Some(Self {
            digest: bytes(digest)?,
            expires: expires.parse().ok()?,
            seen: rest.matches(SEEN).count(),
        })
    }

    /// Compares in a time that tells nothing.
    fn is_of(&self, token: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(token).into();
        let pairs = self.digest.iter().zip(other);
        let difference = pairs.fold(0, |all, (one, other)| black_box(all | (one ^ other)));
        difference == 0
    }
}

/// Two digits for each byte.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (place, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *place = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const NOW: u64 = 1_000_000;

    /// A token file with this mode, and the token.
    fn written(mode: u32) -> (tempfile::TempDir, std::path::PathBuf, String) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(FILE);
        let token = new().unwrap();
        fs::write(&place, Ticket::of(&token, NOW).build()).unwrap();
        set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        (folder, place, token)
    }

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn is_open(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Open(_))
    }

    #[test]
    fn the_right_token_opens_until_it_expires() {
        let (_folder, place, token) = written(0o644);
        for (now, is_right) in [
            (NOW, true),
            (NOW + LIFE - 1, true),
            (NOW + LIFE, false),
            (NOW - 1, false),
        ] {
            let verdict = verify(&place, user(), token.as_bytes(), now);
            assert_eq!(is_open(&verdict), is_right, "{now}: {verdict:?}");
        }
    }

    #[test]
    fn whoever_has_not_the_token_is_told_nothing() {
        let (_folder, place, token) = written(0o666);
        let mut almost = token.clone().into_bytes();
        almost[63] ^= 1;
        let other = new().unwrap();
        let text = fs::read_to_string(&place).unwrap();
        for wrong in [
            &almost[..],
            b"",
            other.as_bytes(),
            &token.as_bytes()[..63],
            text.as_bytes(),
        ] {
            assert_eq!(verify(&place, user(), wrong, NOW), Verdict::Unknown);
        }
        assert!(!text.contains(&token));
    }

    #[test]
    fn a_file_that_others_could_have_made_opens_nothing() {
        for mode in [0o666, 0o664, 0o646] {
            let (_folder, place, token) = written(mode);
            let verdict = verify(&place, user(), token.as_bytes(), NOW);
            assert_eq!(
                verdict,
                Verdict::Refused("others may write to the token file")
            );
        }
        let (_folder, place, token) = written(0o644);
        let verdict = verify(&place, user() + 1, token.as_bytes(), NOW);
        // Root may open every application's.
        assert_eq!(is_open(&verdict), user() == 0, "{verdict:?}");
    }

    #[test]
    fn only_a_file_of_its_form_counts() {
        let (folder, place, token) = written(0o644);
        let link = folder.path().join("link");
        symlink(&place, &link).unwrap();
        assert_eq!(
            verify(&link, user(), token.as_bytes(), NOW),
            Verdict::Unknown
        );
        let whole = fs::read_to_string(&place).unwrap();
        for text in [
            "",
            "\n",
            whole.trim_end(),
            &whole.replace(' ', "  "),
            &format!("x{whole}"),
        ] {
            fs::write(&place, text).unwrap();
            assert_eq!(
                verify(&place, user(), token.as_bytes(), NOW),
                Verdict::Unknown,
                "{text:?}"
            );
        }
        fs::write(&place, whole + SEEN + SEEN).unwrap();
        assert!(matches!(
            verify(&place, user(), token.as_bytes(), NOW),
            Verdict::Open(Ticket { seen: 2, .. })
        ));
    }

    #[test]
    fn tokens_differ() {
        let (one, other) = (new().unwrap(), new().unwrap());
        assert!(one != other && one.len() == 64);
    }
}
