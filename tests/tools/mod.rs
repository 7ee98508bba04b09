//! The tools for people.

mod check;
mod check_files;
mod check_users;
mod checked;
mod explain;
mod record;
mod through;
mod through_token;
mod through_unanswered;
