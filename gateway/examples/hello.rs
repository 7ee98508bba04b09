//! Hosts a CGI program: `cargo run -p wsgi-cgi-gateway --example hello [ADDR]`, then open the address that it prints.

use std::env;
use std::io::{self, Write};
use std::net::TcpListener;

use wsgi_cgi_gateway::host::{Host, Limits, Program};

/// A shell script, beside this file.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello.cgi");

fn main() -> io::Result<()> {
    let address = env::args_os()
        .nth(1)
        .and_then(|word| word.into_string().ok());
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8000"))?;
    writeln!(io::stderr(), "http://{}/hello", listener.local_addr()?)?;

    let program = Program::new(SCRIPT).script_name("/hello");
    Host::new(program, Limits::default()).serve(listener)
}
