//! Everything that `check` can find: its code, its sentence, its cause and its remedy. No other file words one.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will fail.
    Error,
    /// It may fail, or does harm.
    Warning,
    /// It works, and could be better.
    Hint,
}

impl Severity {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

/// What is told about a code.
#[derive(Debug)]
pub struct Finding {
    /// Stable, for searching: `WC110`.
    pub code: &'static str,
    /// Unless the case says otherwise.
    pub severity: Severity,
    /// One sentence, lower case, without full stop.
    pub sentence: &'static str,
    /// Why that fails.
    pub why: &'static str,
    /// A command; what stands in capitals is of the case.
    pub remedy: &'static str,
}

/// A finding's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(usize);

impl Kind {
    /// The table's row.
    pub fn finding(self) -> &'static Finding {
        // A `Kind` is only made by the macro below, next to its row.
        &FINDINGS[self.0]
    }
}

macro_rules! findings {
    ($( $name:ident $code:literal $severity:ident; $sentence:literal; $why:literal; $remedy:literal )*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $( $name ),* }
        impl Kind {
            $( #[doc = $sentence] pub const $name: Kind = Kind(Index::$name as usize); )*
        }
        /// All of them, in the order of their codes.
        pub static FINDINGS: &[Finding] = &[
            $( Finding { code: $code, severity: Severity::$severity, sentence: $sentence, why: $why, remedy: $remedy } ),*
        ];
    };
}

findings! {
    NO_APPLICATION "WC101" Error;
        "the application was not found";
        "without it there is nothing to run";
        "wsgi-cgi --help"
    NO_INTERPRETER "WC102" Error;
        "no Python interpreter can be used";
        "the application is run by the interpreter of its virtualenv, or by python3 on PATH; see the reason above";
        "python3 -m venv .venv"
    OTHER_INTERPRETER "WC103" Warning;
        "the web server would choose another interpreter than your shell";
        "your shell has variables (VIRTUAL_ENV, PATH) that a web server does not pass on; packages may be missing there";
        "put this line into the application's file: # wsgi-cgi: python=PATH"
    VIRTUALENV_PASSED_OVER "WC104" Warning;
        "a virtualenv is not used because others decide what is in it";
        "unless it is named, a virtualenv is used only if it, its pyvenv.cfg and its Python belong to you, to root or to the application's owner, and not everybody may write to them";
        "chown -R USER VIRTUALENV"
    PROGRAM_OUT_OF_REACH "WC105" Error;
        "the web server's user cannot start wsgi-cgi";
        "the program lies in a folder that this user may not enter";
        "install -m 755 WSGI-CGI /usr/local/bin/wsgi-cgi"
    CANNOT_CHANGE_USER "WC106" Hint;
        "the requests were run as you, and not as the web server's user";
        "only root may act as somebody else";
        "sudo wsgi-cgi check --as-cgi APP"

    SHEBANG_CRLF "WC110" Error;
        "the #! line ends with CR LF";
        "the kernel looks for a program whose name ends with a carriage return: `No such file or directory`";
        "sed -i 's/\\r$//' FILE"
    NOT_EXECUTABLE "WC111" Error;
        "the script has no run bit";
        "the web server cannot start it: `Permission denied`, or the text of the script is shown";
        "chmod 755 FILE"
    SHEBANG_CUT "WC112" Error;
        "the #! line is longer than 255 bytes";
        "the kernel reads no more of it: `Exec format error`, or another program is started";
        "ln -s LONG/PATH/wsgi-cgi /usr/local/bin/wsgi-cgi"
    SHEBANG_LONG "WC113" Warning;
        "the #! line is longer than 127 bytes";
        "kernels before Linux 5.1 read no more of it";
        "ln -s LONG/PATH/wsgi-cgi /usr/local/bin/wsgi-cgi"
    ENV_WITHOUT_SPLIT "WC114" Error;
        "the #! line passes several words to env without -S";
        "the kernel hands them over as one word: `env: 'wsgi-cgi --debug': No such file or directory`";
        "sed -i '1s|env |env -S |' FILE"
    NO_SHEBANG_PROGRAM "WC115" Error;
        "the program on the #! line does not exist";
        "the kernel cannot start it: `No such file or directory`, though the script is there";
        "sed -i '1s|#!.*wsgi-cgi|#!/usr/local/bin/wsgi-cgi|' FILE"
    NOEXEC "WC116" Error;
        "the script lies on a file system that is mounted noexec";
        "the kernel starts no program from there: `Permission denied`, whatever the run bit says";
        "mv FILE to another file system, or mount -o remount,exec MOUNT; a handler (Lighttpd's cgi.assign) needs no run bit"
    NOT_ON_PATH "WC117" Error;
        "env does not find the program of the #! line under the web server's PATH";
        "a web server's PATH is not your shell's, and may be missing";
        "sed -i '1s|#!.*wsgi-cgi|#!/usr/local/bin/wsgi-cgi|' FILE"
    RELATIVE_SHEBANG "WC118" Error;
        "the program on the #! line is no absolute path";
        "the kernel looks for it from the working folder, whatever that is, and not on PATH";
        "sed -i '1s|#!|#!/usr/bin/env |' FILE"
    BYTE_ORDER_MARK "WC119" Error;
        "a byte order mark stands before the #! line";
        "the kernel does not see the #!: `Exec format error`";
        "sed -i '1s/^\\xef\\xbb\\xbf//' FILE"

    OUT_OF_REACH "WC120" Error;
        "the web server's user cannot read what the application needs";
        "to read a file, a user needs the right to read it, and to enter each folder above it";
        "chmod o+x FOLDER"
    WORLD_WRITABLE "WC121" Warning;
        "every user of the system can change what the web server runs";
        "whoever changes it runs programs as the web server's user; suexec refuses it as well";
        "chmod o-w FILE"
    SUEXEC_FOLDER_WRITABLE "WC122" Hint;
        "suexec refuses a folder that its group or others can write (exit status 116)";
        "where Apache uses suexec, as most shared hosts do, the script would not be started";
        "chmod go-w FOLDER"
    SUEXEC_FILE_WRITABLE "WC123" Hint;
        "suexec refuses a script that its group or others can write (exit status 118)";
        "where Apache uses suexec, as most shared hosts do, the script would not be started";
        "chmod go-w FILE"
    SUEXEC_SETUID "WC124" Hint;
        "suexec refuses a script that is setuid or setgid (exit status 119)";
        "where Apache uses suexec, the script would not be started";
        "chmod ug-s FILE"
    SUEXEC_OWNER "WC125" Hint;
        "suexec wants one owner and one group of script and folder (exit status 120)";
        "where Apache uses suexec, the script would not be started";
        "chown -h USER:GROUP FOLDER FILE"
    SUEXEC_FORBIDDEN "WC126" Hint;
        "suexec runs nothing as root or as a system user (exit statuses 107 and 108)";
        "where Apache uses suexec, the script would not be started";
        "chown -h USER:GROUP FOLDER FILE"
    SUEXEC_ROOT "WC127" Hint;
        "suexec runs nothing outside of its document root (exit status 114)";
        "where Apache uses suexec, the script would not be started; `suexec -V` tells its document root";
        "mv FOLDER DOCUMENT_ROOT/"
    SUEXEC_LINK "WC128" Hint;
        "suexec runs no symbolic link (exit status 117)";
        "where Apache uses suexec, the script would not be started";
        "cp --remove-destination TARGET FILE"

    SECRETS "WC130" Warning;
        "a file with secrets lies among the files that the web server hands out";
        "a visitor who asks for its address gets its text";
        "mv FILE to a folder outside of the document root"
    DATABASE "WC131" Warning;
        "a database lies among the files that the web server hands out";
        "a visitor who asks for its address gets all that is in it";
        "mv FILE to a folder outside of the document root"
    REPOSITORY "WC132" Warning;
        "a repository lies among the files that the web server hands out";
        "a visitor can put every version of the source together from it";
        "mv FOLDER to a folder outside of the document root"
    SERVED_VIRTUALENV "WC133" Warning;
        "a virtualenv lies among the files that the web server hands out";
        "a visitor can read which packages, in which versions, and their configuration";
        "python3 -m venv OTHER_FOLDER, and into the script: # wsgi-cgi: python=OTHER_FOLDER"
    SERVED_SETTINGS "WC134" Warning;
        "source with a secret key lies among the files that the web server hands out";
        "only files with a handler are run; the text of all others is handed out";
        "mv FILE to a folder outside of the document root"

    REQUIREMENT_MISSING "WC140" Error;
        "a package that the application asks for is not installed";
        "the application names it in its requirements, and this interpreter does not have it";
        "PYTHON -m pip install PACKAGE"
    REQUIREMENT_VERSION "WC141" Error;
        "a package is installed in a version that the application does not ask for";
        "the application names versions in its requirements";
        "PYTHON -m pip install PACKAGE"
    PYTHON_VERSION "WC142" Error;
        "this Python is no version that the application or a package of it asks for";
        "Requires-Python says so; what is installed all the same may fail anywhere";
        "python3.X -m venv --clear VIRTUALENV"
    NOT_COMPARED "WC143" Hint;
        "the requirements were not compared with what is installed";
        "that needs the package `packaging`, which comes with pip";
        "PYTHON -m pip install packaging"

    IMPORT_FAILED "WC150" Error;
        "the application cannot be loaded";
        "every request would be answered with an error page";
        "wsgi-cgi request --debug APP"
    ENVIRONMENT_DIFFERS "WC151" Error;
        "it runs in your shell, and not as the web server runs it";
        "the web server has another user, another working folder and hardly any variables";
        "wsgi-cgi check APP"
    PRINTS "WC152" Warning;
        "the application prints while it is imported";
        "with other CGI handlers it breaks the response; here it goes into the web server's log, at every request";
        "remove the print, or put it under if __name__ == \"__main__\":"
    WRITES_TO_STDERR "WC153" Hint;
        "the application writes to standard error while it is imported";
        "it goes into the web server's log, at every request";
        "mend what it complains of"
    CANNOT_BE_WARMED "WC154" Hint;
        "the application cannot be kept in memory (--warm)";
        "what is open or runs after the import cannot be forked";
        "open it in the first request, or run cold"
    STARTS_PROCESSES "WC155" Hint;
        "the application starts a process while it is imported";
        "it is started again at every request, and hosts limit how many there may be";
        "start it in the request that needs it"
    SLOW_IMPORT "WC156" Hint;
        "the import takes longer than a second";
        "a CGI process imports everything at every request";
        "wsgi-cgi warm start APP"
    NEVER_ENDS "WC157" Error;
        "the application gives no answer in time";
        "a server that is started while importing (app.run()), or something that waits; web servers end such a script";
        "put app.run() under if __name__ == \"__main__\":"
    ENDS_AT_IMPORT "WC158" Error;
        "the application ends the process while it is imported";
        "there is nobody left to answer the request";
        "put it under if __name__ == \"__main__\":"

    REQUEST_FAILED "WC160" Error;
        "a request ends with an error";
        "the visitor sees an error page";
        "wsgi-cgi request --debug APP PATH"
    BREAKS_WSGI "WC161" Error;
        "the application breaks a rule of WSGI";
        "another server, or another version of this one, may refuse it (PEP 3333; Python's wsgiref.validate found it)";
        "wsgi-cgi request -i APP PATH"
    READS_WITHOUT_SIZE "WC162" Hint;
        "the application reads wsgi.input without a size";
        "wsgi-cgi ends the input where the body ends; other servers wait there for ever";
        "read CONTENT_LENGTH bytes: environ[\"wsgi.input\"].read(length)"
    ANSWERS_5XX "WC163" Error;
        "the application answers an ordinary request with a server error";
        "it caught an exception of its own; its log or standard error tells which";
        "wsgi-cgi request -i APP PATH"

    LONG_HEADER "WC170" Error;
        "a response header is longer than 8000 bytes";
        "Apache answers 500 to a line over 8190 bytes, Go's servers to one over 1024; often it is Set-Cookie or a policy";
        "wsgi-cgi request -I APP PATH"
    LARGE_HEAD "WC171" Error;
        "the response's headers are larger than 64 KiB together";
        "Lighttpd and others answer 502";
        "wsgi-cgi request -I APP PATH"
    SERVERS_OWN_HEADER "WC172" Hint;
        "a response header will be replaced by the server's own";
        "Apache sets Date and Server itself, whatever a script says";
        "leave the header out, or set it in the server's configuration"
    REPEATED_HEADER "WC173" Error;
        "a response header that may stand once stands several times";
        "Apache keeps the last one, other servers the first or all";
        "wsgi-cgi request -I APP PATH"
    LOCATION_WITH_200 "WC174" Error;
        "a response of status 200 has a Location";
        "Apache follows it instead of showing the page, or makes a 302 of it";
        "answer with 302 or 303, or with 201 for something new"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_sentences_are_sentences() {
        assert!(FINDINGS.is_sorted_by(|a, b| a.code < b.code));
        for finding in FINDINGS {
            for text in [finding.sentence, finding.why, finding.remedy] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}", finding.code);
            }
            assert!(("WC101".."WC200").contains(&finding.code));
        }
    }
}
