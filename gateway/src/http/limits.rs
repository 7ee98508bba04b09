//! How much of a request is read, and how long it is waited for; the defaults of CONTRACTS section 3.

use std::time::Duration;

/// The request line, without its line end; longer is 414.
pub const REQUEST_LINE: usize = 8 << 10;
/// The whole head; larger is 431.
pub const HEAD: usize = 64 << 10;
/// How many fields a head has; more is 431.
pub const FIELDS: usize = 100;
/// A line of a chunked body: size and extensions, or a trailer.
pub const CHUNK_LINE: usize = 4 << 10;
/// All trailers of a chunked body.
pub const TRAILERS: usize = 16 << 10;
/// From the connection's or the request's first byte to the end of the head; longer is 408.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// How many bytes a second a body makes on the average, in either direction, once it has taken [`BODY_TIME`]; 408 for a
/// request's.
pub const MIN_RATE: u64 = 500;
/// Without any progress of a body, in either direction; 408 for a request's.
pub const BODY_TIME: Duration = Duration::from_secs(30);
