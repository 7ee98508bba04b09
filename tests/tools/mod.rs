//! What never runs while serving: `config`, `init` and their like, by what becomes of their files under real servers.

mod config;
mod config_files;
mod config_run;
mod config_servers;
mod init;
mod rewriting;
