//! What is never run while serving: tools for people. What they write is tried under real servers.

mod check;
mod check_files;
mod check_packages;
mod check_users;
mod checked;
mod config;
mod config_files;
mod config_platforms;
mod config_run;
mod config_servers;
mod explain;
mod init;
mod record;
mod record_doors;
mod rewriting;
mod special_files;
mod through;
mod through_token;
mod through_unanswered;
