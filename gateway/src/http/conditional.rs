//! Conditional and range requests (RFC 9110 sections 13 and 14): how much of a file answers a request.

use std::iter;
use std::str;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

use super::Fields;

/// The last second that an HTTP-date can name: the end of the year 9999.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// The selected representation as it is now: what the conditions of a request are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representation {
    opaque_tag: String,
    modified: HttpDate,
    length: u64,
}

/// Which answer the conditions and the range of a request leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// 200 with everything.
    Whole,
    /// 206 with the bytes from the first to the last, both included.
    Part {
        /// Position of the first byte.
        first: u64,
        /// Position of the last byte, never before the first or behind the end.
        last: u64,
    },
    /// 304: the client has it.
    NotModified,
    /// 412: the client speaks of another version.
    PreconditionFailed,
    /// 416: no such bytes.
    Unsatisfiable,
}

impl Representation {
    /// The opaque tag has no quotes, and differs whenever one byte differs, so that the entity-tag
    /// is a strong one. A modification time in the future becomes the present (section 8.8.2.1).
    pub fn new(opaque_tag: String, modified: SystemTime, now: SystemTime, length: u64) -> Self {
        // httpdate panics for a time that no HTTP-date can name; a file may have any.
        let latest = now.min(UNIX_EPOCH + LAST_SECOND).max(UNIX_EPOCH);
        Self {
            opaque_tag,
            modified: modified.clamp(UNIX_EPOCH, latest).into(),
            length,
        }
    }

    /// The value of ETag.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.opaque_tag)
    }

    /// The value of Last-Modified.
    pub fn last_modified(&self) -> String {
        self.modified.to_string()
    }

    /// What answers a GET or HEAD request, by the order of precedence of section 13.2.2.
    pub fn select(&self, method: &str, request: &Fields) -> Selection {
        if !self.meets_preconditions(request) {
            return Selection::PreconditionFailed;
        }
        if self.is_known(request) {
            return Selection::NotModified;
        }
        // Range is defined for GET only (section 14.2).
        if method != "GET" || !self.continues(request) {
            return Selection::Whole;
        }
        match only(request, "Range").and_then(RangeSpec::parse) {
            Some(range) => range.of(self.length),
            None => Selection::Whole,
        }
    }

    /// If-Match, or in its absence If-Unmodified-Since (sections 13.1.1 and 13.1.4).
    fn meets_preconditions(&self, request: &Fields) -> bool {
        if request.contains("If-Match") {
            return self.is_listed(request, "If-Match", Comparison::Strong);
        }
        date(request, "If-Unmodified-Since").is_none_or(|date| self.modified <= date)
    }

    /// If-None-Match, or in its absence If-Modified-Since (sections 13.1.2 and 13.1.3).
    fn is_known(&self, request: &Fields) -> bool {
        if request.contains("If-None-Match") {
            return self.is_listed(request, "If-None-Match", Comparison::Weak);
        }
        date(request, "If-Modified-Since").is_some_and(|date| self.modified <= date)
    }

    /// Whether a part fits what the client has: If-Range (section 13.1.5) is absent, or is exactly
    /// our entity-tag, which is what strong comparison means, or exactly our date.
    fn continues(&self, request: &Fields) -> bool {
        if !request.contains("If-Range") {
            return true;
        }
        let is_our_tag = |value: &[u8]| value.trim_ascii() == self.etag().as_bytes();
        only(request, "If-Range").is_some_and(is_our_tag)
            || date(request, "If-Range") == Some(self.modified)
    }

    fn is_listed(&self, request: &Fields, name: &str, comparison: Comparison) -> bool {
        request.all(name).any(|mut rest| {
            rest.trim_ascii() == b"*"
                || iter::from_fn(|| EntityTag::take(&mut rest)).any(|tag| self.is(&tag, comparison))
        })
    }

    /// Section 8.8.3.2; our own tag is never weak.
    fn is(&self, tag: &EntityTag<'_>, comparison: Comparison) -> bool {
        let may_match = comparison == Comparison::Weak || tag.strength == Comparison::Strong;
        may_match && tag.opaque == self.opaque_tag.as_bytes()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// entity-tag of section 8.8.3.
struct EntityTag<'a> {
    strength: Comparison,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Takes the next member from a list. The quotes may hold a comma, so that the list cannot be
    /// split at commas. What is no entity-tag ends the list, as nothing behind it can be trusted.
    fn take(list: &mut &'a [u8]) -> Option<Self> {
        let mut rest = *list;
        while let [b' ' | b'\t' | b',', behind @ ..] = rest {
            rest = behind;
        }
        let (strength, rest) = match rest.strip_prefix(b"W/") {
            Some(rest) => (Comparison::Weak, rest),
            None => (Comparison::Strong, rest),
        };
        let mut quoted = rest.strip_prefix(b"\"")?.splitn(2, |byte| *byte == b'"');
        let (opaque, behind) = (quoted.next()?, quoted.next()?);
        *list = behind;
        Some(Self { strength, opaque })
    }
}

/// One byte range of section 14.1.2, which no file has confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeSpec {
    /// int-range; without an end it reaches to the largest number.
    From { first: u64, last: u64 },
    /// suffix-range: the last so many bytes.
    Suffix(u64),
}

impl RangeSpec {
    /// Parses a ranges-specifier with a single range. None for a malformed one, for another unit
    /// and for several ranges: a server may ignore these (section 14.2), and then sends everything.
    fn parse(value: &[u8]) -> Option<Self> {
        let (unit, set) = str::from_utf8(value.trim_ascii()).ok()?.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let members = set
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']));
        let mut ranges = members.filter(|member| !member.is_empty());
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return None;
        };
        match range.split_once('-')? {
            ("", length) => Some(Self::Suffix(number(length)?)),
            (first, "") => Some(Self::From {
                first: number(first)?,
                last: u64::MAX,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From { first, last })
            }
        }
    }

    /// The bytes of a file with this length.
    fn of(self, length: u64) -> Selection {
        // No Content-Range can tell of the empty suffix of an empty file; as Go's server does, we
        // ignore every range of it.
        let Some(end) = length.checked_sub(1) else {
            return Selection::Whole;
        };
        match self {
            Self::Suffix(0) => Selection::Unsatisfiable,
            Self::Suffix(count) => Selection::Part {
                first: length.saturating_sub(count),
                last: end,
            },
            Self::From { first, .. } if first > end => Selection::Unsatisfiable,
            Self::From { first, last } => Selection::Part {
                first,
                last: last.min(end),
            },
        }
    }
}

/// 1*DIGIT: no sign, no blank. What does not fit is larger than every file, and so is the largest number.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.bytes().try_fold(0_u64, |number, digit| {
        let digit = char::from(digit).to_digit(10)?;
        Some(number.saturating_mul(10).saturating_add(digit.into()))
    })
}

/// The value of a field that is no list. None if it is absent or comes twice.
fn only<'a>(request: &'a Fields, name: &'a str) -> Option<&'a [u8]> {
    let mut values = request.all(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// An HTTP-date in any of its three forms. None for anything else, which the sections about the
/// conditions order to ignore.
fn date(request: &Fields, name: &str) -> Option<HttpDate> {
    str::from_utf8(only(request, name)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A file of 100 bytes with the tag `"a,b"`, changed at Sun, 06 Nov 1994 08:49:37.999 GMT.
    fn file() -> Representation {
        let modified = at(784_111_777) + Duration::from_millis(999);
        Representation::new("a,b".to_owned(), modified, at(1_800_000_000), 100)
    }

    /// Each line: the method, what is to be answered, and the fields.
    #[track_caller]
    fn check(table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split(" | ");
            let (method, expected) = words.next().unwrap().split_once(' ').unwrap();
            let mut request = Fields::default();
            for (name, value) in words.map(|field| field.split_once(':').unwrap()) {
                request.push(name, value.strip_prefix(' ').unwrap_or(value));
            }
            let told = match file().select(method, &request) {
                Selection::Whole => "200".to_owned(),
                Selection::Part { first, last } => format!("206 {first}-{last}"),
                Selection::NotModified => "304".to_owned(),
                Selection::PreconditionFailed => "412".to_owned(),
                Selection::Unsatisfiable => "416".to_owned(),
            };
            assert_eq!(told, expected, "{line}");
        }
    }

    #[test]
    fn any_time_of_a_file_has_a_date() {
        let date = |modified, now| Representation::new(String::new(), modified, now, 0).modified;
        let (now, late) = (at(784_111_777), at(1 << 40));
        let before_the_epoch = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(date(late, now), now.into(), "section 8.8.2.1");
        assert_eq!(date(before_the_epoch, now), UNIX_EPOCH.into());
        assert_eq!(date(now, before_the_epoch), UNIX_EPOCH.into());
        assert_eq!(date(late, late), (UNIX_EPOCH + LAST_SECOND).into());
    }

    #[test]
    fn a_known_entity_tag_is_not_sent_again_and_wins_over_a_date() {
        assert_eq!(file().etag(), r#""a,b""#);
        check(
            r#"
            GET 304 | If-None-Match: "a,b"
            HEAD 304 | if-none-match: "a,b"
            GET 304 | If-None-Match: W/"a,b"
            GET 304 | If-None-Match: "x", "y,z" ,W/"a,b"
            GET 304 | If-None-Match: , ,	"a,b"
            GET 304 | If-None-Match: *
            GET 304 | If-None-Match: "x" | If-None-Match: "a,b"
            GET 200 | If-None-Match: "b"
            GET 200 | If-None-Match: a,b
            GET 200 | If-None-Match: "a,b
            GET 200 | If-None-Match: w/"a,b"
            GET 200 | If-None-Match: ""
            GET 200 | If-None-Match:
            GET 200 | If-None-Match: bad "a,b"
            GET 200 | If-None-Match: "b" | If-Modified-Since: Sun Nov  6 08:49:38 1994
            GET 304 | If-None-Match: "a,b" | If-Modified-Since: Sun Nov  6 08:49:36 1994
            "#,
        );
    }

    #[test]
    fn a_known_date_is_not_sent_again() {
        assert_eq!(file().last_modified(), "Sun, 06 Nov 1994 08:49:37 GMT");
        check(
            "GET 304 | If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT
            HEAD 304 | If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT
            GET 304 | If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT
            GET 304 | If-Modified-Since: Sun Nov  6 08:49:37 1994
            GET 200 | If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT
            GET 200 | If-Modified-Since: Sun, 06 Nov 1994 08:49:37 +0100
            GET 200 | If-Modified-Since: Sun, 06 Nov 1994 08:49:3\u{e9} GMT
            GET 200 | If-Modified-Since: yesterday
            GET 200 | If-Modified-Since:
            GET 200 | If-Modified-Since: Sun Nov  6 08:49:37 1994 | If-Modified-Since: Sun Nov  6 08:49:37 1994",
        );
    }

    #[test]
    fn preconditions_come_first_and_compare_strongly() {
        check(
            r#"
            GET 200 | If-Match: "x", "a,b"
            GET 200 | If-Match: *
            GET 412 | If-Match: W/"a,b"
            HEAD 412 | If-Match: "x" | If-None-Match: * | Range: bytes=0-1
            GET 200 | If-Unmodified-Since: Sun Nov  6 08:49:37 1994
            GET 412 | If-Unmodified-Since: Sun Nov  6 08:49:36 1994
            GET 200 | If-Unmodified-Since: never
            GET 200 | If-Unmodified-Since: Sun Nov  6 08:49:36 1994 | If-Match: "a,b"
            "#,
        );
    }

    #[test]
    fn one_range_is_a_part() {
        check(
            "GET 206 0-0 | Range: bytes=0-0
            GET 206 10-19 | Range: bytes=010-019
            GET 206 10-19 | Range: Bytes=\t10-19 ,
            GET 206 90-99 | Range: bytes=90-
            GET 206 99-99 | Range: bytes=99-18446744073709551616
            GET 206 99-99 | Range: bytes=-1
            GET 206 0-99 | Range: bytes=-100
            GET 206 0-99 | Range: bytes=-99999999999999999999999
            GET 416 | Range: bytes=100-
            GET 416 | Range: bytes=100-200
            GET 416 | Range: bytes=18446744073709551616-
            GET 416 | Range: bytes=-0
            HEAD 200 | Range: bytes=0-0
            HEAD 200 | Range: bytes=100-",
        );
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        let malformed = "|bytes|bytes=|bytes=-|bytes=a-b|bytes=5-4|bytes=+1-2|bytes=--1|bytes=1-2-3|\
            bytes=1|bytes =1-2|bytes=1 - 2|bytes=\u{661}-|lines=1-2|1-2|bytes=0-0,5-5|bytes:1-2";
        for value in malformed.split('|') {
            check(&format!("GET 200 | Range: {value}"));
        }
        check("GET 200 | Range: bytes=0-0 | Range: bytes=1-1");
    }

    #[test]
    fn a_range_of_an_empty_file_is_ignored() {
        let all = RangeSpec::From { first: 0, last: 9 };
        for range in [RangeSpec::Suffix(0), RangeSpec::Suffix(1), all] {
            assert_eq!(range.of(0), Selection::Whole);
        }
    }

    #[test]
    fn a_part_needs_what_if_range_names() {
        check(
            r#"
            GET 206 1-2 | Range: bytes=1-2 | If-Range: "a,b"
            GET 206 1-2 | Range: bytes=1-2 | If-Range: Sun, 06 Nov 1994 08:49:37 GMT
            GET 200 | Range: bytes=1-2 | If-Range: Sun, 06 Nov 1994 08:49:36 GMT
            GET 200 | Range: bytes=1-2 | If-Range: Sun, 06 Nov 1994 08:49:38 GMT
            GET 200 | Range: bytes=1-2 | If-Range: W/"a,b"
            GET 200 | Range: bytes=1-2 | If-Range: "x"
            GET 200 | Range: bytes=1-2 | If-Range: "a,b", "x"
            GET 200 | Range: bytes=1-2 | If-Range: *
            GET 200 | Range: bytes=1-2 | If-Range:
            GET 200 | Range: bytes=1-2 | If-Range: "a,b" | If-Range: "a,b"
            GET 200 | Range: bytes=100- | If-Range: "x"
            GET 200 | If-Range: "a,b"
            "#,
        );
    }
}
