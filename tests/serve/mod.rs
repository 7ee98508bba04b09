//! The listener: HTTP/1.1 in front of a CGI process for each request.

mod clients;
mod error_page;
mod framing;
mod gateway;
mod leaving;
mod load;
mod logs;
mod rules;
mod scripts;
mod statics;
mod stopping;
mod variables;
