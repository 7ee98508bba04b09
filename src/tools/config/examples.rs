//! The files in `examples/` are what `config` writes for one site.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::place::{Place, Requirements, Target};
use super::{files, write};
use crate::plan::Warm;
use crate::plan::config::{Mounting, Server};

fn place(mount: Mounting) -> Place {
    Place {
        program: "/usr/local/bin/wsgi-cgi".into(),
        target: Target::Path {
            relative: "app.py".into(),
            callable: String::new(),
        },
        typed: Vec::new(),
        python: Some("/srv/site/.venv".into()),
        has_virtualenv: true,
        requirements: Some(Requirements::List),
        timeout: None,
        warm: Warm::Off,
        has_error_log: false,
        folder: "/srv/site".into(),
        label: "site".into(),
        script: "/srv/site/app.cgi".into(),
        mount,
    }
}

/// To write them anew: `WSGI_CGI_EXAMPLES=write cargo test the_examples_are_what_is_written`
#[test]
fn the_examples_are_what_is_written() {
    let named = place(Mounting {
        name: Some("example.org".into()),
        ..Mounting::default()
    });
    let below = place(Mounting {
        url: "/shop".into(),
        ..Mounting::default()
    });
    let plain = place(Mounting::default());
    let warm = Place {
        typed: vec!["--warm=true".into()],
        warm: Warm::Wanted,
        ..plain.clone()
    };
    for (folder, server, place) in [
        ("servers/apache", Server::Apache, &named),
        ("servers/htaccess", Server::Htaccess, &below),
        ("servers/lighttpd", Server::Lighttpd, &named),
        ("servers/nginx", Server::Nginx, &named),
        ("servers/nginx-proxy", Server::NginxProxy, &named),
        ("servers/caddy", Server::Caddy, &named),
        ("systemd", Server::Systemd, &plain),
        ("systemd/inetd", Server::SystemdInetd, &plain),
        ("xinetd", Server::Xinetd, &plain),
        ("openfaas", Server::Openfaas, &plain),
        ("openfaas/http", Server::Openfaas, &warm),
        ("lambda", Server::Lambda, &plain),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(folder);
        for file in files(server, place).unwrap() {
            let path = folder.join(file.path.file_name().unwrap());
            if env::var_os("WSGI_CGI_EXAMPLES").is_some() {
                fs::create_dir_all(&folder).unwrap();
                write::put(&path, &file).unwrap();
            }
            // A checkout keeps no more of the mode than the run bit.
            let is_program = fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0;
            assert_eq!(is_program, file.mode == 0o755, "{}", path.display());
            let found = fs::read_to_string(&path).unwrap();
            assert!(
                found == file.text,
                "{} is not:\n{}",
                path.display(),
                file.text
            );
        }
    }
}
