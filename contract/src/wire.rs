//! The shape of every message between processes: its length, a version, then fields.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Raised with every change of a message; a reader refuses any other.
pub const VERSION: u8 = 6;

/// Longer than any environment that the kernel lets through an exec.
const MESSAGE_LIMIT: u32 = 16 << 20;

/// Reads one message whose length comes first.
pub fn read_message(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MESSAGE_LIMIT {
        return Err(malformed("length"));
    }
    let mut message = Vec::new();
    from.take(length.into()).read_to_end(&mut message)?;
    if message.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(message)
}

/// A message that cannot be understood.
pub fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("handover: malformed {what}"),
    )
}

/// A path as it is.
pub fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Writes a message.
pub struct Encoder(Vec<u8>);

impl Encoder {
    pub fn new() -> Self {
        // The first four bytes are the length, known at the end.
        Self(vec![0, 0, 0, 0, VERSION])
    }

    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn number(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    pub fn count(&mut self, value: usize) {
        self.number(value as u64);
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.0.extend(value);
    }

    pub fn path(&mut self, value: &Path) {
        self.bytes(path_bytes(value));
    }

    pub fn option(&mut self, value: Option<&[u8]>) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            self.bytes(value);
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// Takes a message apart.
pub struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub fn new(message: &'a [u8]) -> io::Result<Self> {
        let mut decoder = Self(message);
        match decoder.byte()? {
            VERSION => Ok(decoder),
            _ => Err(malformed("version")),
        }
    }

    pub fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| malformed("length"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> io::Result<u8> {
        let (first, rest) = self.0.split_first().ok_or_else(|| malformed("length"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn number(&mut self) -> io::Result<u64> {
        let bytes = self.take(8)?.try_into().map_err(|_| malformed("number"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| malformed("length"))?;
        self.take(length)
    }

    pub fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| malformed("text"))
    }

    pub fn path(&mut self) -> io::Result<PathBuf> {
        Ok(PathBuf::from(OsStr::from_bytes(self.bytes()?)))
    }

    pub fn choice<T>(&mut self, no: T, yes: T) -> io::Result<T> {
        match self.byte()? {
            0 => Ok(no),
            1 => Ok(yes),
            _ => Err(malformed("choice")),
        }
    }

    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        match self.choice(false, true)? {
            true => read(self).map(Some),
            false => Ok(None),
        }
    }

    pub fn list<T>(&mut self, read: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        // Not `with_capacity`: the count comes from outside.
        let mut items = Vec::new();
        for _ in 0..self.number()? {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub fn end(&self) -> io::Result<()> {
        match self.0 {
            [] => Ok(()),
            _ => Err(malformed("end")),
        }
    }
}
