//! A chunked body: pieces and whole agree, and what is written is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_cgi_gateway::http::Refusal;
use wsgi_cgi_gateway::http::chunked::{self, Decoder};

fuzz_target!(|input: &[u8]| {
    let whole = decode(input, input.len().max(1));
    for step in [1, 3] {
        assert_eq!(whole, decode(input, step));
    }
    let mut written = Vec::new();
    for piece in input.chunks(7) {
        written.extend(chunked::start(piece.len()).as_bytes());
        written.extend(piece);
        written.extend(b"\r\n");
    }
    written.extend(chunked::END);
    let length = written.len();
    written.extend(b"GET / HTTP/1.1");
    assert_eq!(decode(&written, 5), Ok((input.to_vec(), length, true)));
});

/// The data, how much was taken, and whether that was all; the refusal's status otherwise.
fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), u16> {
    let (mut decoder, mut data, mut taken) = (Decoder::new(), Vec::new(), 0);
    for piece in input.chunks(step) {
        let refused = |refusal: Refusal| refusal.status;
        let count = decoder.decode(piece, &mut data).map_err(refused)?;
        taken += count;
        if count < piece.len() {
            break;
        }
    }
    assert!(data.len() <= taken);
    Ok((data, taken, decoder.is_done()))
}
