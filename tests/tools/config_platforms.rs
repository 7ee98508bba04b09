//! What `config` writes for platforms that are not here: its files are read, and what they start is run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::config_files::{config, folder};
use crate::frameworks::site::virtualenv;
use crate::support::run::Run;
use crate::support::{PROGRAM, output};

/// A YAML file as JSON; tags such as `!GetAtt` are left out.
fn yaml(path: &Path) -> serde_json::Value {
    let program = "import json, sys, yaml\n\
                   yaml.SafeLoader.add_multi_constructor('!', lambda loader, tag, node: loader.construct_scalar(node))\n\
                   print(json.dumps(yaml.safe_load(open(sys.argv[1])), default=str))";
    let python = virtualenv().join("bin/python");
    let json = output(Command::new(python).args(["-c", program]).arg(path));
    serde_json::from_slice(&json).unwrap()
}

#[test]
fn the_files_for_openfaas_are_read_and_their_process_answers() {
    let folder = folder("My Site");
    let site = folder.path().join("My Site");
    config(&site, &["openfaas", "--timeout=20", "--output=.", "app.py"]).assert_quiet();
    let stack = yaml(&site.join("stack.yml"));
    let function = &stack["functions"]["my-site"];
    assert_eq!(function["lang"], "dockerfile", "{stack}");
    let environment = &function["environment"];
    assert_eq!(
        environment["WSGI_CGI_SCRIPT_NAME"], "/function/my-site",
        "{stack}"
    );
    let dockerfile = fs::read_to_string(site.join("Dockerfile")).unwrap();
    let process = dockerfile
        .split("fprocess=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(process, "wsgi-cgi watchdog --timeout=20 /home/app/app.py");
    // In the image it is there; here, in its folder.
    let process = process.replace("/home/app", ".");
    let words: Vec<_> = process.split(' ').skip(1).collect();
    let done = Run::by_hand(&words)
        .directory(&site)
        .variable("Http_Method", "GET")
        .variable("Http_Path", "/x")
        .variable("combine_output", "false")
        .variable("WSGI_CGI_SCRIPT_NAME", "/function/my-site")
        .done();
    let environ: serde_json::Value =
        serde_json::from_slice(&done.out).unwrap_or_else(|_| panic!("{done}"));
    assert_eq!(environ["SCRIPT_NAME"], "/function/my-site", "{done}");
    config(
        &site,
        &["openfaas", "--warm", "--force", "--output=.", "app.py"],
    )
    .assert_quiet();
    let dockerfile = fs::read_to_string(site.join("Dockerfile")).unwrap();
    let expected = "fprocess=\"wsgi-cgi serve --debug=false --health-path=/_/ready --warm=true /home/app/app.py\"";
    assert!(dockerfile.contains(expected), "{dockerfile}");
}

#[test]
fn the_files_for_lambda_are_read_and_their_bootstrap_answers() {
    let folder = folder("site");
    let site = folder.path().join("site");
    config(&site, &["lambda", "--timeout=20", "--output=.", "."]).assert_quiet();
    let template = yaml(&site.join("template.yaml"));
    let properties = &template["Resources"]["Site"]["Properties"];
    assert_eq!(properties["Handler"], "app.py", "{template}");
    let wrapper = &properties["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"];
    assert_eq!(wrapper, "/var/task/bootstrap", "{template}");
    let dockerfile = fs::read_to_string(site.join("Dockerfile")).unwrap();
    assert!(
        dockerfile.ends_with("CMD [\"--timeout=20\", \"/var/task/app.py\"]\n"),
        "{dockerfile}"
    );
    symlink(PROGRAM, site.join("wsgi-cgi")).unwrap();
    let event =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events/url.json")).unwrap();
    let done = Run::by_hand(&[] as &[&str])
        .program(site.join("bootstrap"))
        .variable("LAMBDA_TASK_ROOT", &site)
        .variable("_HANDLER", "app.py")
        .input(event)
        .done();
    let answer: serde_json::Value =
        serde_json::from_slice(&done.out).unwrap_or_else(|_| panic!("{done}"));
    assert_eq!(answer["statusCode"], 200, "{done}");
}
