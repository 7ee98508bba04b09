//! The engine's promises (PEP 3333): what an application is given, and what becomes of what it gives.

mod complaints;
mod ending;
mod error_page;
mod files;
mod input;
mod interpreters;
mod manners;
mod process;
mod start_response;
mod stderr;
