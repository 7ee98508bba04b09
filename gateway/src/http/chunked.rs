//! The chunked transfer coding (RFC 9112 section 7.1): read as it comes, extensions and trailers dropped.

use super::{Refusal, limits};
use crate::bytes::is_token;

/// Takes a chunked body apart.
///
/// ```
/// use wsgi_cgi_gateway::http::chunked::Decoder;
///
/// let (mut decoder, mut data) = (Decoder::new(), Vec::new());
/// // In whatever pieces it comes; what is behind its end stays.
/// decoder.decode(b"5\r\nhel", &mut data)?;
/// let taken = decoder.decode(b"lo\r\n0\r\n\r\nGET /", &mut data)?;
/// assert_eq!((data.as_slice(), taken, decoder.is_done()), (&b"hello"[..], 9, true));
/// # Ok::<(), wsgi_cgi_gateway::http::Refusal>(())
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// The line that has begun, without its line end.
    line: Vec<u8>,
    trailers: usize,
    announced: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// So many bytes are left of the chunk.
    Data(u64),
    /// The line end behind a chunk's data.
    DataEnd,
    Trailer,
    Done,
}

impl Decoder {
    /// For the first byte behind a head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the last chunk and the trailers have been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How large the body is at least, by the sizes of the chunks that have begun.
    pub fn announced(&self) -> u64 {
        self.announced
    }

    /// Takes what it can of `input`: data is added to `output`. Gives how many bytes were taken; what is
    /// behind the body's end stays.
    pub fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Refusal> {
        let mut rest = input;
        while let Some((first, behind)) = rest.split_first() {
            match self.state {
                State::Done => break,
                State::Data(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (data, behind) = rest.split_at(length);
                    output.extend_from_slice(data);
                    rest = behind;
                    self.state = match left - data.len() as u64 {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                }
                State::Size | State::DataEnd | State::Trailer => {
                    rest = behind;
                    if self.takes(*first)? {
                        self.end_line()?;
                    }
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    /// Takes one byte of a line; gives true at its end.
    fn takes(&mut self, byte: u8) -> Result<bool, Refusal> {
        match (self.line.last(), byte) {
            (Some(b'\r'), b'\n') => {
                self.line.pop();
                return Ok(true);
            }
            (Some(b'\r'), _) | (_, b'\n') => {
                return Err(Refusal::bad(
                    "a line of the chunked body does not end with CR LF",
                ));
            }
            (_, 0) => return Err(Refusal::bad("a NUL in a line of the chunked body")),
            _ => {}
        }
        if self.line.len() >= limits::CHUNK_LINE {
            return Err(Refusal::bad("a line of the chunked body is too long"));
        }
        self.line.push(byte);
        Ok(false)
    }

    fn end_line(&mut self) -> Result<(), Refusal> {
        self.state = match self.state {
            State::Size => match size(&self.line)? {
                0 => State::Trailer,
                size => {
                    self.announced = self.announced.saturating_add(size);
                    State::Data(size)
                }
            },
            State::DataEnd if self.line.is_empty() => State::Size,
            State::DataEnd => return Err(Refusal::bad("a chunk is longer than its size")),
            State::Trailer if self.line.is_empty() => State::Done,
            state => {
                check_trailer(&self.line)?;
                self.trailers += self.line.len();
                if self.trailers > limits::TRAILERS {
                    return Err(Refusal::new(431, "the trailers are too large"));
                }
                state
            }
        };
        self.line.clear();
        Ok(())
    }
}

/// Hex digits only, at most 16: no sign, no `0x`, no blank. Extensions are skipped, if they can be ones.
fn size(line: &[u8]) -> Result<u64, Refusal> {
    let bad = || Refusal::bad("a chunk's size is no hexadecimal number");
    let length = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    let (digits, extensions) = line.split_at(length.unwrap_or(line.len()));
    if digits.is_empty() || digits.len() > 16 {
        return Err(bad());
    }
    if !extensions.is_empty() && !extensions.starts_with(b";") {
        return Err(bad());
    }
    if extensions
        .iter()
        .any(|byte| *byte < 0x20 && *byte != b'\t' || *byte == 0x7f)
    {
        return Err(Refusal::bad("a control character in a chunk's extension"));
    }
    let digits = str::from_utf8(digits).map_err(|_| bad())?;
    u64::from_str_radix(digits, 16).map_err(|_| bad())
}

/// A trailer is dropped, but it has to be one: what is none could be another request for somebody else.
fn check_trailer(line: &[u8]) -> Result<(), Refusal> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.unwrap_or(0));
    let is_text = |byte: &u8| *byte >= 0x20 && *byte != 0x7f || *byte == b'\t';
    match is_token(name) && value.iter().all(is_text) {
        true => Ok(()),
        false => Err(Refusal::bad("a trailer is no field")),
    }
}

/// What stands before a chunk's data; behind it comes a line end.
pub fn start(length: usize) -> String {
    format!("{length:x}\r\n")
}

/// The last chunk, without trailers.
pub const END: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes whole and byte by byte; gives the data and what is behind.
    #[track_caller]
    fn decode(text: &str) -> Result<(String, usize), u16> {
        let run = |step: usize| {
            let (mut decoder, mut output, mut taken) = (Decoder::new(), Vec::new(), 0);
            for piece in text.as_bytes().chunks(step) {
                taken += decoder
                    .decode(piece, &mut output)
                    .map_err(|refusal| refusal.status)?;
            }
            assert!(decoder.is_done(), "{text:?}");
            Ok((String::from_utf8(output).unwrap(), text.len() - taken))
        };
        let whole = run(text.len());
        assert_eq!(whole, run(1), "{text:?}");
        whole
    }

    #[test]
    fn chunks_extensions_and_trailers() {
        let data = |text: &str| Ok((text.to_owned(), 0));
        assert_eq!(decode("0\r\n\r\n"), data(""));
        assert_eq!(
            decode("3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n"),
            data("abc0123456789")
        );
        assert_eq!(
            decode("3;a=\"b\";c\r\nabc\r\n0;x\r\nT: 1\r\nU: 2\r\n\r\n"),
            data("abc")
        );
        assert_eq!(decode("1\r\na\r\n0\r\n\r\nGET /"), Ok(("a".to_owned(), 5)));
    }

    #[test]
    fn what_is_written_is_read() {
        let text = format!("{}{}\r\n0\r\n\r\n", start(300), "x".repeat(300));
        assert_eq!(decode(&text), Ok(("x".repeat(300), 0)));
    }

    #[test]
    fn sizes_and_lines_that_are_none() {
        for text in [
            "+1\r\na\r\n0\r\n\r\n",
            "-1\r\n",
            "0x1\r\na\r\n",
            " 1\r\na\r\n",
            "1 \r\na\r\n",
            "1 ;a\r\na\r\n",
            "\r\n",
            ";a\r\n",
            "g\r\n",
            "00000000000000001\r\na\r\n",
            "1\na\n0\n\n",
            "1\r\nab\r\n0\r\n\r\n",
            "1\r\na\n0\r\n\r\n",
            "1\r\naX\r\n",
            "1;a\x01\r\na\r\n",
            "1;a\rb\r\na\r\n",
            "1;\0\r\na\r\n",
            "0\r\nGET / HTTP/1.1\r\n\r\n",
            "0\r\nA: b\r\n c\r\n\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\n: b\r\n\r\n",
        ] {
            assert_eq!(decode(text), Err(400), "{text:?}");
        }
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "a".repeat(5000));
        assert_eq!(decode(&long), Err(400));
        let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(5000));
        assert_eq!(decode(&trailers), Err(431));
    }
}
