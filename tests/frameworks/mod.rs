//! Real applications: everything in `examples/` and `cgi-bin/`, through the real executable.

mod browser;
mod cherrypy;
mod django;
mod middleware;
mod pyramid;
mod rows;
mod scripts;
pub mod site;
mod table;
mod webpy;
