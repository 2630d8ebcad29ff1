//! Which file a path of the web server names: below one folder, never outside of it, symbolic links included.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Names that the page lists at most.
const LISTED: usize = 100;

/// The folder whose files are served.
pub(crate) struct Root(PathBuf);

impl Root {
    /// # Errors
    /// It does not exist, or is no folder.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        let root = dir.canonicalize()?;
        fs::read_dir(&root)?;
        Ok(Self(root))
    }

    /// Opens the file of a request: the file, its length and its media type.
    ///
    /// # Errors
    /// There is no such file, or it is not for everybody to see.
    pub(super) fn open(&self, path: &str) -> io::Result<(File, u64, &'static str)> {
        let absent = || io::Error::new(io::ErrorKind::NotFound, "no such file; / lists what there is");
        let path = self.resolve(path).ok_or_else(absent)?;
        let kind = media_type(&path);
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_file() { Ok((file, about.len(), kind)) } else { Err(absent()) }
    }

    fn resolve(&self, path: &str) -> Option<PathBuf> {
        let mut named = self.0.clone();
        for part in path.strip_prefix('/')?.split('/') {
            let part = percent_decode(part)?;
            let safe = !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\0']);
            named.push(safe.then_some(part)?);
        }
        // What is there may be a link that leads outside; and a pipe would never end.
        let real = named.canonicalize().ok()?;
        (real.starts_with(&self.0) && real.is_file()).then_some(real)
    }

    /// The files directly in the folder, sorted, at most 100.
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let files = entries.flatten().filter(|entry| entry.path().is_file());
        let mut names: Vec<String> =
            files.filter_map(|entry| entry.file_name().into_string().ok()).take(LISTED).collect();
        names.sort();
        names
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            decoded.push((digit()? * 16 + digit()?) as u8);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// The other way round, for links.
pub(super) fn percent_encode(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("txt" | "md" | "log" | "rs" | "toml") => "text/plain; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_both_ways() {
        assert_eq!(percent_decode("a%20b%C3%BC").as_deref(), Some("a bü"));
        assert_eq!(percent_encode("a bü"), "a%20b%C3%BC");
        for broken in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(percent_decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_file_is_no_folder() {
        assert!(Root::new(Path::new("/proc/self/stat")).is_err());
        assert!(Root::new(Path::new("/no/such/folder")).is_err());
    }
}
