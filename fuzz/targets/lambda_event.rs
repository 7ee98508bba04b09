//! An event of AWS Lambda: whatever its JSON holds, what becomes a request can be one.
#![no_main]

#[path = "../../src/doors/lambda/event.rs"]
mod event;

use libfuzzer_sys::fuzz_target;
use wsgi_cgi_gateway::{cgi as gateway, http};

fuzz_target!(|input: &[u8]| {
    let other = event::parse(input, Some("/events"));
    let Ok(request) = event::parse(input, None) else {
        // It is refused with a reason, or by the same one posted.
        if let Ok(posted) = other {
            assert_eq!(posted.body, input);
        }
        return;
    };
    assert!(other.is_ok_and(|other| other == request));
    let length = request.has_body.then_some(request.body.len() as u64);
    let Ok(variables) = request.event.variables(length) else {
        return;
    };
    let mut names: Vec<_> = variables.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), variables.len());
    for (name, value) in &variables {
        // What an environment can hold, and no field of which breaks a line.
        assert!(!name.is_empty() && !name.contains(&b'=') && !name.contains(&0));
        assert!(!value.contains(&0));
        assert!(name != b"HTTP_PROXY" && name != b"HTTP_CONTENT_LENGTH");
        if name.starts_with(b"HTTP_") {
            assert!(!value.iter().any(|byte| b"\r\n".contains(byte)));
        }
    }
});
