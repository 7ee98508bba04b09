//! A body that is kept: whatever it is, what its names call a secret is gone, and the rest is there.
#![no_main]

#[path = "../../src/record/forms.rs"]
mod forms;
#[path = "../../src/record/mask.rs"]
mod mask;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let line = input.iter().position(|byte| *byte == b'\n');
    let (kind, body) = input.split_at(line.unwrap_or(0));
    let kind = String::from_utf8_lossy(kind);
    let masked = forms::masked(&mut mask::Masks::default(), &kind, body);
    let again = forms::masked(&mut mask::Masks::default(), &kind, &masked);
    assert_eq!(masked, again, "a mask is masked no further");
    // Form: a known secret behind whatever came.
    let kind = "application/x-www-form-urlencoded";
    let form = [body, b"&password=hunter22&x=1"].concat();
    let masked = forms::masked(&mut mask::Masks::default(), kind, &form);
    assert!(masked.ends_with(b"&password=***&x=1"));
});
