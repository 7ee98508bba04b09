//! Where an application is mounted: the rules that find its place in an address.

use std::fmt;

use super::last_segment;
use super::meta_variables::MetaVariables;
use super::request_uri::{RequestUri, normalise, percent_decode};

/// How the server found the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler<'a> {
    /// By the address: SCRIPT_NAME and PATH_INFO speak of the script itself.
    None,
    /// Through Apache's `Action`: SCRIPT_NAME is the handler's, PATH_INFO the whole address.
    Action {
        /// What PATH_TRANSLATED holds behind the script's file.
        extra_path: &'a [u8],
    },
}

/// What made SCRIPT_NAME and PATH_INFO what they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `--script-name` decided.
    Option,
    /// The server's values fit the address.
    AsGiven,
    /// The script that Apache's `Action` found stands in the address.
    Action,
    /// The address begins with SCRIPT_NAME; the server gave no PATH_INFO.
    AfterScriptName,
    /// A rewriting server: SCRIPT_NAME is what the address holds before PATH_INFO.
    BeforePathInfo,
    /// The same, but PATH_INFO came escaped, and stays so.
    BeforeEscapedPathInfo,
    /// nginx with its stock parameters: SCRIPT_NAME was the whole address.
    WholeAddress,
    /// A fallback: SCRIPT_NAME is the folder of the script.
    ScriptFolder,
    /// A fallback from outside the script's folder: the application is the whole site.
    SiteRoot,
    /// No rule fits; the server's values stay.
    Unexplained,
    /// There is no REQUEST_URI that may be used; the server's values stay.
    NoAddress,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Option => "SCRIPT_NAME is what --script-name says",
            Self::AsGiven => "SCRIPT_NAME and PATH_INFO fit the address, and stay as the server gave them",
            Self::Action => "SCRIPT_NAME is the address of the script that Apache's Action found",
            Self::AfterScriptName => "PATH_INFO is what follows SCRIPT_NAME in REQUEST_URI",
            Self::BeforePathInfo => "SCRIPT_NAME is what precedes PATH_INFO in REQUEST_URI",
            Self::BeforeEscapedPathInfo => {
                "SCRIPT_NAME is what precedes PATH_INFO in REQUEST_URI; \
                 PATH_INFO is still escaped: remove the flag B from the RewriteRule"
            }
            Self::WholeAddress => "SCRIPT_NAME was the whole address, which is PATH_INFO now; --script-name divides it",
            Self::ScriptFolder => "SCRIPT_NAME is the script's folder, PATH_INFO the rest of REQUEST_URI",
            Self::SiteRoot => "SCRIPT_NAME is empty, PATH_INFO all of REQUEST_URI's path; --script-name divides it",
            Self::Unexplained => {
                "SCRIPT_NAME and PATH_INFO do not fit REQUEST_URI, and stay as the server gave them; \
                 --script-name decides"
            }
            Self::NoAddress => {
                "REQUEST_URI is missing, malformed, or of a request that the server refused; \
                 SCRIPT_NAME and PATH_INFO stay as the server gave them"
            }
        })
    }
}

impl Rule {
    /// Whether the client's REQUEST_URI became PATH_INFO, because the server gave none.
    pub(super) fn takes_address(self) -> bool {
        matches!(
            self,
            Self::AfterScriptName | Self::WholeAddress | Self::ScriptFolder | Self::SiteRoot
        )
    }
}

/// Where the application begins in an address, and what is behind.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) script_name: Vec<u8>,
    pub(super) path_info: Vec<u8>,
}

impl Mount {
    fn new(script_name: &[u8], path_info: &[u8]) -> Self {
        let (script_name, path_info) = (script_name.to_vec(), path_info.to_vec());
        Self {
            script_name,
            path_info,
        }
    }

    /// What the server says; of the script itself, where an `Action` stands between.
    pub(super) fn given(variables: &MetaVariables, handler: Handler<'_>) -> Self {
        let script_name = variables
            .get("SCRIPT_NAME")
            .map(normalise)
            .unwrap_or_default();
        let path_info = variables.get("PATH_INFO").unwrap_or_default();
        if let Handler::Action { extra_path } = handler
            && let Some(script) = path_info.strip_suffix(extra_path)
        {
            return Self::new(&normalise(script), extra_path);
        }
        let given = Self::new(&script_name, path_info);
        match path_info.is_empty() {
            true => given,
            false => given.tidy(),
        }
    }

    /// SCRIPT_NAME does not end in a slash, and PATH_INFO begins with one (PEP 3333).
    pub(super) fn tidy(mut self) -> Self {
        let names_a_folder = self.script_name.ends_with(b"/");
        while self.script_name.ends_with(b"/") {
            self.script_name.pop();
        }
        if !self.path_info.starts_with(b"/") && (names_a_folder || !self.path_info.is_empty()) {
            self.path_info.insert(0, b'/');
        }
        self
    }

    /// Whether SCRIPT_NAME is the address of the script's file, not of a folder or an alias.
    fn is_file(&self, variables: &MetaVariables) -> bool {
        let file = variables.get("SCRIPT_FILENAME").map(last_segment);
        file == Some(last_segment(&self.script_name))
    }

    /// The same with the SCRIPT_NAME of `--script-name`. Where the address is known it is divided anew, so that
    /// `--script-name /` shows an application at `ScriptAlias /api` the whole of `/api/x`. One who calls
    /// the script by its file's own address means what is behind the file.
    pub(super) fn under(&self, prefix: &[u8], rule: Rule, variables: &MetaVariables) -> Self {
        let prefix = normalise(prefix);
        let prefix = prefix.strip_suffix(b"/").unwrap_or(&prefix);
        let is_known = !matches!(rule, Rule::NoAddress | Rule::Unexplained);
        let is_script_itself = rule == Rule::Action || self.is_file(variables);
        if is_known && !is_script_itself {
            let whole = [self.script_name.as_slice(), &self.path_info].concat();
            if let Some(rest) = rest_under(&whole, prefix) {
                return Self::new(prefix, rest);
            }
        }
        Self::new(
            prefix,
            rest_under(&self.path_info, prefix).unwrap_or(&self.path_info),
        )
    }
}

/// The steps of SURVEY.md section 3.4, and which of them applied.
pub(super) fn mend(given: Mount, address: &RequestUri, variables: &MetaVariables) -> (Rule, Mount) {
    match given.path_info.is_empty() {
        true => mend_without_path_info(given, address, variables),
        false => mend_script_name(given, address),
    }
}

fn mend_without_path_info(
    given: Mount,
    address: &RequestUri,
    variables: &MetaVariables,
) -> (Rule, Mount) {
    let RequestUri {
        path, guarded_path, ..
    } = address;
    if *path == given.script_name && is_stock_nginx(variables) && !given.is_file(variables) {
        return (Rule::WholeAddress, Mount::new(b"", guarded_path));
    }
    if rest_under(path, &given.script_name).is_some() {
        return match rest_under(guarded_path, &given.script_name) {
            None | Some(b"") => (Rule::AsGiven, given),
            Some(rest) => (Rule::AfterScriptName, Mount::new(&given.script_name, rest)),
        };
    }
    let file = last_segment(&given.script_name);
    let folder = given
        .script_name
        .strip_suffix(file)
        .and_then(|folder| folder.strip_suffix(b"/"));
    let folder = folder.unwrap_or_default();
    match rest_under(guarded_path, folder) {
        Some(rest) if !folder.is_empty() => (Rule::ScriptFolder, Mount::new(folder, rest)),
        _ => (Rule::SiteRoot, Mount::new(b"", guarded_path)),
    }
}

/// The server's PATH_INFO stays in every case.
fn mend_script_name(given: Mount, address: &RequestUri) -> (Rule, Mount) {
    let RequestUri {
        path, guarded_path, ..
    } = address;
    if rest_under(path, &given.script_name).is_some() {
        return (Rule::AsGiven, given);
    }
    let tail = normalise(&given.path_info);
    // `AllowEncodedSlashes NoDecode` leaves PATH_INFO half decoded.
    let before = path
        .strip_suffix(tail.as_slice())
        .or_else(|| guarded_path.strip_suffix(tail.as_slice()));
    if let Some(before) = before.filter(|before| is_safe_in_links(before)) {
        return (Rule::BeforePathInfo, Mount::new(before, &given.path_info));
    }
    // Flag B of Apache's RewriteRule escapes what is not a letter or digit, and a blank as `+`. To
    // undo it would be right for the routes, but a `<Location>` has seen only the escaped form.
    let blanks = given
        .path_info
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte });
    let tail = normalise(&percent_decode(&blanks.collect::<Vec<_>>()));
    match path.strip_suffix(tail.as_slice()) {
        Some(before) if is_safe_in_links(before) => (
            Rule::BeforeEscapedPathInfo,
            Mount::new(before, &given.path_info),
        ),
        _ => (Rule::Unexplained, given),
    }
}

/// nginx's stock parameters pass the whole address as SCRIPT_NAME and no PATH_INFO at all. An Apache
/// or Lighttpd alias called by its very name looks the same, and is right.
fn is_stock_nginx(variables: &MetaVariables) -> bool {
    let software = variables.get("SERVER_SOFTWARE").unwrap_or_default();
    let is_nginx = software.to_ascii_lowercase().starts_with(b"nginx");
    // For those who hide the server's name: a variable of the stock parameters only.
    let has_document_uri = variables
        .get("DOCUMENT_URI")
        .is_some_and(|uri| variables.get("SCRIPT_NAME") == Some(uri));
    let has_script = variables.get("SCRIPT_FILENAME").is_some();
    (is_nginx || has_document_uri) && has_script && !variables.contains("PATH_INFO")
}

/// What is behind a prefix that ends at a segment's end.
fn rest_under<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    path.strip_prefix(prefix)
        .filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Browsers read a backslash as a slash, so that `/\evil/x` would be another host.
fn is_safe_in_links(prefix: &[u8]) -> bool {
    !prefix
        .iter()
        .any(|byte| byte.is_ascii_control() || *byte == b'\\')
}
