//! The names of a request's meta-variables: RFC 3875 section 4.1, and what servers add. Exact names, not families:
//! `SERVER_ENV`, `REMOTE_DB` and `SSL_REDIRECT` belong to a deployment.

/// What Apache puts before a name for each internal redirect (`ErrorDocument`, `Action`, mod_rewrite).
const REDIRECT: &[u8] = b"REDIRECT_";

const NAMES: [&str; 113] = [
    // RFC 3875 section 4.1.
    "AUTH_TYPE",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "GATEWAY_INTERFACE",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    // Most servers.
    "DOCUMENT_ROOT",
    "DOCUMENT_URI",
    "HTTPS",
    "REMOTE_PORT",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SERVER_ADDR",
    // Apache: its core, `SetEnvIf Authorization`, `Action`, error documents, mod_unique_id, mod_http2, mod_fcgid.
    "Authorization",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "FCGI_APACHE_ROLE",
    "FCGI_ROLE",
    "H2PUSH",
    "H2_PUSH",
    "H2_PUSHED",
    "H2_PUSHED_ON",
    "H2_STREAM_ID",
    "H2_STREAM_TAG",
    "HTTP2",
    "REDIRECT_ERROR_NOTES",
    "REDIRECT_HANDLER",
    "REDIRECT_STATUS",
    "REDIRECT_URL",
    "SCRIPT_URI",
    "SCRIPT_URL",
    "SERVER_ADMIN",
    "SERVER_SIGNATURE",
    "UNIQUE_ID",
    // Server-side includes.
    "DATE_GMT",
    "DATE_LOCAL",
    "DOCUMENT_ARGS",
    "DOCUMENT_NAME",
    "DOCUMENT_PATH_INFO",
    "LAST_MODIFIED",
    "QUERY_STRING_UNESCAPED",
    "USER_NAME",
    // mod_ssl, and what Lighttpd and others call the same.
    "SSL_CIPHER",
    "SSL_CIPHER_ALGKEYSIZE",
    "SSL_CIPHER_EXPORT",
    "SSL_CIPHER_USEKEYSIZE",
    "SSL_CLIENT_A_KEY",
    "SSL_CLIENT_A_SIG",
    "SSL_CLIENT_CERT",
    "SSL_CLIENT_CERT_RFC4523_CEA",
    "SSL_CLIENT_I_DN",
    "SSL_CLIENT_M_SERIAL",
    "SSL_CLIENT_M_VERSION",
    "SSL_CLIENT_S_DN",
    "SSL_CLIENT_VERIFY",
    "SSL_CLIENT_V_END",
    "SSL_CLIENT_V_REMAIN",
    "SSL_CLIENT_V_START",
    "SSL_COMPRESS_METHOD",
    "SSL_PROTOCOL",
    "SSL_SECURE_RENEG",
    "SSL_SERVER_A_KEY",
    "SSL_SERVER_A_SIG",
    "SSL_SERVER_CERT",
    "SSL_SERVER_I_DN",
    "SSL_SERVER_M_SERIAL",
    "SSL_SERVER_M_VERSION",
    "SSL_SERVER_S_DN",
    "SSL_SERVER_V_END",
    "SSL_SERVER_V_START",
    "SSL_SESSION_ID",
    "SSL_SESSION_RESUMED",
    "SSL_SRP_USER",
    "SSL_SRP_USERINFO",
    "SSL_TLS_SNI",
    "SSL_VERSION_INTERFACE",
    "SSL_VERSION_LIBRARY",
    // Where the client is: mod_geoip and GeoIP2's usual names, mod_maxminddb.
    "GEOIP_ADDR",
    "GEOIP_AREA_CODE",
    "GEOIP_CITY",
    "GEOIP_CITY_NAME",
    "GEOIP_CONTINENT_CODE",
    "GEOIP_COUNTRY",
    "GEOIP_COUNTRY_CODE",
    "GEOIP_COUNTRY_CODE3",
    "GEOIP_COUNTRY_NAME",
    "GEOIP_DMA_CODE",
    "GEOIP_ISP",
    "GEOIP_LATITUDE",
    "GEOIP_LONGITUDE",
    "GEOIP_METRO_CODE",
    "GEOIP_ORGANIZATION",
    "GEOIP_POSTAL_CODE",
    "GEOIP_REGION",
    "GEOIP_REGION_NAME",
    "MM_ADDR",
    "MM_CITY_NAME",
    "MM_COUNTRY_CODE",
    "MM_COUNTRY_NAME",
    "MM_LATITUDE",
    "MM_LONGITUDE",
];

/// Names that end in somebody else's word: a header's field (RFC 3875 section 4.1.18), a directory's attribute
/// (mod_authnz_ldap, mod_authn_dbd), a certificate's (mod_ssl).
const BEGINNINGS: [&str; 12] = [
    "AUTHENTICATE_",
    "AUTHORIZE_",
    "HTTP_",
    "SSL_CLIENT_CERT_CHAIN_",
    "SSL_CLIENT_I_DN_",
    "SSL_CLIENT_OID_",
    "SSL_CLIENT_SAN_",
    "SSL_CLIENT_S_DN_",
    "SSL_SERVER_I_DN_",
    "SSL_SERVER_OID_",
    "SSL_SERVER_SAN_",
    "SSL_SERVER_S_DN_",
];

/// Whether a server sets a variable of this name for a request. HTTP_PROXY is none: programs take it for their
/// proxy (httpoxy, CVE-2016-5385).
pub fn is_of_request(name: &[u8]) -> bool {
    let is = |known: &&str| known.as_bytes() == name;
    let begins = |start: &&str| {
        let rest = name.strip_prefix(start.as_bytes()).unwrap_or_default();
        !rest.is_empty() && rest.iter().all(is_word)
    };
    if NAMES.iter().any(is) {
        return true;
    }
    match name.strip_prefix(REDIRECT) {
        Some(rest) => is_of_request(rest),
        None => name != b"HTTP_PROXY" && BEGINNINGS.iter().any(begins),
    }
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_s_variables_are_known_by_their_exact_names() {
        for name in "REQUEST_METHOD HTTP_HOST HTTP_X_FORWARDED_FOR REMOTE_USER SSL_PROTOCOL SSL_CLIENT_S_DN_CN_0 \
                     REDIRECT_STATUS REDIRECT_REDIRECT_STATUS REDIRECT_HTTP_AUTHORIZATION REDIRECT_QUERY_STRING \
                     Authorization UNIQUE_ID AUTHENTICATE_MAIL"
            .split_whitespace()
        {
            assert!(is_of_request(name.as_bytes()), "{name}");
        }
        for name in "PATH HOME LD_PRELOAD PYTHONPATH WSGI_CGI_PYTHON WSGI_CGI_SERVE_CHILD REDIRECT_WSGI_CGI_PYTHON \
                     SERVER_ENV SERVER_EMAIL REDIRECT_URI REQUEST_TIMEOUT REMOTE_DB SSL_REDIRECT SSL_CERT_FILE \
                     SSL_CERT_DIR GEOIP_PATH HTTP_ HTTP_PROXY REDIRECT_HTTP_PROXY http_proxy HTTPS_PROXY HTTP_A=B \
                     HTTP_A-B REDIRECT_ PATH_INFORMATION Path_Info"
            .split_whitespace()
        {
            assert!(!is_of_request(name.as_bytes()), "{name}");
        }
        assert!(!is_of_request(b""));
    }
}
