//! A script's response: pieces and whole agree, and what is passed on cannot break the response.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_cgi_gateway::bytes;
use wsgi_cgi_gateway::cgi::response::{CgiResponse, parse};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input, false);
    let mut piecemeal = Ok(None);
    for end in 0..=input.len() {
        piecemeal = parse(&input[..end], false);
        if !matches!(piecemeal, Ok(None)) {
            break;
        }
    }
    assert_eq!(whole, piecemeal);
    if let Ok(Some((response, length))) = &whole {
        assert!(*length <= input.len());
        assert_eq!(parse(input, true), whole);
        check(response);
    } else {
        assert!(!matches!(parse(input, true), Ok(None)));
    }
});

fn check(response: &CgiResponse) {
    let is_clean = |value: &[u8]| !value.iter().any(|byte| b"\r\n\0".contains(byte));
    match response {
        CgiResponse::LocalRedirect(path) => assert!(path.starts_with(b"/") && is_clean(path)),
        CgiResponse::Document(head) => {
            assert!((200..=999).contains(&head.status));
            assert!(head.reason.as_ref().is_none_or(|reason| is_clean(reason.as_bytes())));
            for (name, value) in &head.fields {
                assert!(bytes::is_token(name.as_bytes()) && is_clean(value));
                assert!(!name.eq_ignore_ascii_case("Status"));
                assert!(!name.eq_ignore_ascii_case("Transfer-Encoding"));
            }
        }
    }
}
