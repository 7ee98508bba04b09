//! What is never run while serving: tools for people.

mod check;
mod check_files;
mod check_users;
mod checked;
mod explain;
mod record;
mod record_doors;
