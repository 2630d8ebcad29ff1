//! The address of a resource: as much of RFC 3986 as a GET over plain HTTP needs.

use std::fmt;

/// A parsed `http://` URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Url {
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query, from the first slash on.
    pub(super) target: String,
}

impl Url {
    /// # Errors
    /// One sentence: what is wrong, and what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(format!(
                    "{text}: https needs TLS, which is not offered; try http:// or use curl"
                ));
            }
            Some((scheme, _)) => {
                return Err(format!("{text}: {scheme} is not offered; write http://HOST/PATH"));
            }
            None => text,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let slash = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        if authority.contains('@') {
            return Err(format!(
                "{text}: user names in URLs are not offered; leave out what stands before @"
            ));
        }
        let (host, port) = host_and_port(authority).ok_or_else(|| {
            format!("{text}: {authority:?} is no host; write http://HOST/PATH or http://HOST:PORT/PATH")
        })?;
        if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(format!("{text}: a path has no blanks; write %20 for each"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { host, port, target: format!("{slash}{path}") })
    }

    /// As the `Host` field has it.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

fn host_and_port(authority: &str) -> Option<(String, u16)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some("") | None if rest.len() < 2 => 80,
        Some(port) => port.parse().ok().filter(|&port| port != 0)?,
        None => return None,
    };
    let plain =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
    plain.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_resources() {
        let cases = [
            ("http://10.77.0.1/", "10.77.0.1", 80, "/"),
            ("http://10.77.0.1", "10.77.0.1", 80, "/"),
            ("10.77.0.1:8080/a/b?c=d#e", "10.77.0.1", 8080, "/a/b?c=d"),
            ("HTTP://[fd00::1]:81/x", "fd00::1", 81, "/x"),
            ("http://host?q", "host", 80, "/?q"),
        ];
        for (text, host, port, target) in cases {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.target.as_str()), (host, port, target), "{text}");
        }
        assert_eq!(Url::parse("http://[fd00::1]:81/x").unwrap().to_string(), "http://[fd00::1]:81/x");
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("https://host/", "TLS"),
            ("ftp://host/", "ftp is not offered"),
            ("http:///x", "no host"),
            ("http://host:99999/", "no host"),
            ("http://host:0/", "no host"),
            ("http://a b/", "no host"),
            ("http://[fd00::1/", "no host"),
            ("http://u@host/", "user names"),
            ("http://host/a b", "%20"),
        ];
        for (text, part) in cases {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
