//! The time limits that depend on each other, and why each is longer than the next. The relations are checked when this
//! file is compiled.
//!
//! A limit that stands alone stays where it is used.

use std::time::Duration;

/// An application that was told to end has this long; then it is killed. Apache and Lighttpd kill a script three seconds
/// after they told it to end.
pub const APPLICATION_GRACE: Duration = Duration::from_secs(2);

/// A script that a listener told to end has this long: a front needs [`APPLICATION_GRACE`] to end its application, and
/// then a moment to answer.
pub const SCRIPT_GRACE: Duration = Duration::from_secs(3);

/// So much later than the front's own `--timeout`, the listener ends the front: the front shows where the application
/// was, which takes up to twice [`APPLICATION_GRACE`], and writes about it, which takes up to [`LOG_WRITE`].
pub const FRONT_TIMEOUT_MARGIN: Duration = Duration::from_secs(6);

/// A front that drains a request's body waits so long for more of it.
pub const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// A worker waits so long for its front to end, after it has reported: the front only drains the body.
pub const FRONT_END_PATIENCE: Duration = Duration::from_secs(5);

/// Threads and `atexit` handlers have this long after the response.
pub const LATE_WORK: Duration = Duration::from_secs(60);

/// A request is handed to a warm worker within this time, or runs cold: a start takes longer, so that a request which
/// waits in vain loses little.
pub const HANDOVER: Duration = Duration::from_millis(100);

/// The same while the zygote runs, and the machine is busy: as many cold starts would only keep it busy.
pub const HANDOVER_IF_BUSY: Duration = Duration::from_secs(1);

/// A listener asks a zygote that has not answered again after this time.
pub const ZYGOTE_REST: Duration = Duration::from_secs(2);

/// An import of an application that takes longer hangs.
pub const IMPORT: Duration = Duration::from_secs(60);

/// An import for a client that waits for it, as `lambda` does: the longest time that Lambda gives an initialization.
pub const ATTACHED_IMPORT: Duration = Duration::from_secs(15 * 60);

/// `warm start` waits so long for a zygote, whose import may take [`IMPORT`].
pub const WARM_START: Duration = Duration::from_secs(70);

/// How long the reason is believed why there is no zygote: not longer than an import, so that one that hangs is not
/// started twice at once.
pub const REASON_LIFE: Duration = Duration::from_secs(60);

/// A write to a log or to standard error that takes longer is given up: nobody reads it.
pub const LOG_WRITE: Duration = Duration::from_secs(1);

const fn is_longer(one: Duration, other: Duration) -> bool {
    one.as_millis() > other.as_millis()
}

const _: () = {
    assert!(is_longer(SCRIPT_GRACE, APPLICATION_GRACE));
    assert!(is_longer(
        FRONT_TIMEOUT_MARGIN,
        APPLICATION_GRACE
            .saturating_mul(2)
            .saturating_add(LOG_WRITE)
    ));
    assert!(is_longer(FRONT_END_PATIENCE, DRAIN_PATIENCE));
    assert!(is_longer(WARM_START, IMPORT));
    assert!(is_longer(ATTACHED_IMPORT, IMPORT));
    assert!(is_longer(HANDOVER_IF_BUSY, HANDOVER));
    // At least half of the time of a listener is not spent on waiting for a zygote that does not answer.
    assert!(is_longer(ZYGOTE_REST, HANDOVER_IF_BUSY));
    assert!(is_longer(APPLICATION_GRACE, LOG_WRITE));
    assert!(is_longer(LOG_WRITE, HANDOVER));
    assert!(REASON_LIFE.as_millis() == IMPORT.as_millis());
};
