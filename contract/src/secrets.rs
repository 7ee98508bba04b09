//! Names whose values are nobody's business: neither in a page for the author nor in a record, for both are shared.

/// A part of a name, however its words are joined: `password2`, `x-api-key`, `apiKey`, `csrfmiddlewaretoken`.
const PARTS: [&str; 32] = [
    "2fa",
    "accesskey",
    "apikey",
    "authkey",
    "authorization",
    "authpw",
    "cardnumber",
    "cookie",
    "credential",
    "csrf",
    "cvv",
    "encryptionkey",
    "hmac",
    "jwt",
    "masterkey",
    "mnemonic",
    "oidc",
    "passcode",
    "passkey",
    "passphrase",
    "passwd",
    "password",
    "private",
    "pwd",
    "saml",
    "secret",
    "sessid",
    "sessionid",
    "sessionkey",
    "signature",
    "token",
    "xsrf",
];

/// A whole word of a name: `pin` and `user_pin`, not `mapping`; `pass`, not `compass`.
const WORDS: [&str; 23] = [
    "assertion",
    "auth",
    "bearer",
    "card",
    "csc",
    "cvc",
    "iban",
    "jwe",
    "jws",
    "mfa",
    "nonce",
    "oauth",
    "otp",
    "pan",
    "pass",
    "pin",
    "pw",
    "salt",
    "session",
    "sid",
    "sig",
    "ssn",
    "totp",
];

/// Words that tell of a secret in what a client sends, and of nothing in a program's local variables.
const FIELD_WORDS: [&str; 4] = ["code", "key", "puk", "ticket"];

/// Before one of those: `country_code` and `sort_key` are no secrets.
const HARMLESS: [&str; 15] = [
    "area",
    "cache",
    "continent",
    "country",
    "currency",
    "error",
    "exit",
    "foreign",
    "language",
    "postal",
    "primary",
    "product",
    "sort",
    "status",
    "zip",
];

/// Whole names: OAuth's `state`, and the pair that Django's JWT libraries send.
const FIELDS: [&str; 3] = ["access", "refresh", "state"];

/// Whether a value of this name is not to be shown.
pub fn is_secret(name: &str) -> bool {
    let words = words(name);
    let joined = joined(name);
    // The scheme only: `Basic`.
    let is_scheme = joined.ends_with("authtype");
    PARTS.iter().any(|part| joined.contains(part))
        || (!is_scheme && words.iter().any(|word| is_one_of(&WORDS, word)))
}

/// Whether a value of this name in a form, an address, a header or JSON is not to be shown.
pub fn is_secret_field(name: &str) -> bool {
    let words = words(name);
    let mut before = "";
    let is_named = words.iter().any(|word| {
        let is_harmless = HARMLESS.contains(&before);
        before = word;
        is_one_of(&FIELD_WORDS, word) && !is_harmless
    });
    is_named || FIELDS.contains(&joined(name).as_str()) || is_secret(name)
}

/// Singular or plural.
fn is_one_of(list: &[&str], word: &str) -> bool {
    list.contains(&word)
        || word
            .strip_suffix('s')
            .is_some_and(|one| list.contains(&one))
}

/// Letters and digits only.
fn joined(name: &str) -> String {
    let letters = name.chars().filter(|char| char.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Without digits, split at everything else and at the capitals of `camelCase` and `SAMLResponse`.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<_> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, char) in chars.iter().enumerate() {
        let is = |at: Option<usize>, kind: fn(char) -> bool| {
            at.and_then(|at| chars.get(at))
                .is_some_and(|char| kind(*char))
        };
        let (before, behind) = (at.checked_sub(1), Some(at + 1));
        let begins = is(Some(at), char::is_uppercase)
            && (is(before, char::is_lowercase) || is(behind, char::is_lowercase));
        if begins || !char.is_alphabetic() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && char.is_alphabetic()
        {
            word.extend(char.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_whole_words() {
        for name in "password db_password passwords PASSWORD2 user[password] X-Api-Key apiKey accessKey pass pass1 userPass \
                     pin PIN user_pin newPin pins otp sid PHPSESSID JSESSIONID sessionid session sig X-Sig auth \
                     HTTP_X_AUTH csrf csrfmiddlewaretoken X-XSRF-TOKEN SAMLResponse samlAssertion hmac jwt nonce \
                     id_token clientSecret refresh_token creditCard card cvv cvc iban SSN oauth_verifier 2fa 2FA-x"
            .split_whitespace()
        {
            assert!(is_secret(name), "{name}");
            assert!(is_secret_field(name), "{name}");
        }
        for name in
            "code auth_code codes verificationCode key X-Goog-Key ticket state access refresh"
                .split_whitespace()
        {
            assert!(is_secret_field(name), "{name}");
            assert!(!is_secret(name) || name.contains("auth"), "{name}");
        }
        for name in "compass mapping spin opinion passenger author authenticate postcard discard sidebar signal design \
                     residence company panel codec decode keyboard country_code zipCode status-code sort_key AUTH_TYPE \
                     REDIRECT_AUTH_TYPE statement accessory HTTP_ACCEPT user name page"
            .split_whitespace()
        {
            assert!(!is_secret_field(name), "{name}");
        }
    }
}
