//! The listener: HTTP/1.1 in front of a CGI process for each request.

mod behind_nginx;
mod clients;
mod error_page;
mod framing;
mod gateway;
mod in_step;
mod leaving;
mod limits;
mod load;
mod logs;
mod platforms;
pub mod raw_requests;
mod rules;
mod scripts;
mod statics;
mod stopping;
mod variables;
