//! What `config` prints, writes and refuses.
