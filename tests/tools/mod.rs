//! The tools for people.

mod explain;
mod through;
mod through_token;
mod through_unanswered;
