//! A request's head, and the meta-variables that are made of it: pieces and whole agree, nothing dangerous passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_cgi_gateway::cgi as gateway;
use wsgi_cgi_gateway::http::head::{Framing, HeadReader, RequestHead};

fuzz_target!(|input: &[u8]| {
    let whole = HeadReader::default().read(input);
    let mut reader = HeadReader::default();
    let mut piecemeal = Ok(None);
    for end in 0..=input.len() {
        piecemeal = reader.read(&input[..end]);
        if !matches!(piecemeal, Ok(None)) {
            break;
        }
    }
    assert_eq!(whole, piecemeal);
    if let Ok(Some((head, length))) = whole {
        assert!(length <= input.len());
        check(&head);
    }
});

fn check(head: &RequestHead) {
    let fields = &head.fields;
    let has = |name| fields.all(name).count();
    match head.framing {
        Framing::Empty => assert!(has("Transfer-Encoding") == 0),
        Framing::Length(_) => assert!(has("Content-Length") == 1 && has("Transfer-Encoding") == 0),
        Framing::Chunked => assert!(has("Content-Length") == 0),
    }
    assert!(
        fields
            .iter()
            .all(|(_, value)| !value.iter().any(|byte| b"\r\n\0".contains(byte)))
    );
    let Ok(address) = gateway::Address::parse(head.path_and_query()) else {
        return;
    };
    assert!(head.path_and_query() == b"*" || address.path.starts_with(b"/"));
    let climbs = |segment: &[u8]| segment == b"." || segment == b"..";
    assert!(!address.path.split(|byte| *byte == b'/').any(climbs));
    let place = gateway::Place {
        script_name: Vec::new(),
        path_info: address.path.clone(),
        script_filename: None,
        document_root: b"/srv".to_vec(),
    };
    let variables = gateway::meta_variables(head, &address, &place, &Default::default(), None);
    let mut names: Vec<_> = variables.iter().map(|(name, _)| name.clone()).collect();
    for (name, value) in &variables {
        assert!(!name.is_empty() && !name.contains(&0) && !name.contains(&b'='));
        assert!(!value.contains(&0) && name != b"HTTP_PROXY");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), variables.len());
}
