//! The page at `/`: what this host answers, as commands to paste; for people with a browser and for those with curl.

use super::files::percent_encode;
use std::net::IpAddr;

/// What the page tells of the host.
#[derive(Clone)]
pub(crate) struct About {
    /// Its addresses, the first one for the examples.
    pub(crate) addresses: Vec<IpAddr>,
}

impl About {
    /// Commands to try from the other side: one service each with the first address, and the best of them with the others.
    pub(crate) fn commands(&self) -> Vec<String> {
        let Some((&first, others)) = self.addresses.split_first() else { return Vec::new() };
        let others = others.iter().flat_map(|&address| greetings(address));
        services(first).into_iter().chain(others).collect()
    }
}

fn url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("http://{v4}"),
        IpAddr::V6(v6) => format!("http://[{v6}]"),
    }
}

fn greetings(address: IpAddr) -> [String; 3] {
    [format!("curl {}/", url(address)), format!("ping {address}"), format!("iperf3 -c {address}")]
}

fn services(address: IpAddr) -> Vec<String> {
    let url = url(address);
    vec![
        format!("curl {url}/"),
        format!("curl {url}/bytes/100M -o /dev/null"),
        format!("curl -T FILE {url}/upload"),
        format!("ping {address}"),
        format!("iperf3 -c {address}"),
        format!("nc {address} 7      # echo, TCP; with -u UDP"),
        format!("nc {address} 9      # discard, TCP; with -u UDP"),
        format!("nc {address} 19     # chargen, as fast as it goes"),
    ]
}

pub(super) fn text(about: &About, files: Option<&[String]>) -> String {
    let mut page = String::from("This is a host whose TCP/IP runs in user space. Try:\n\n");
    for command in about.commands() {
        page += &format!("  {command}\n");
    }
    match files {
        None => page += "\nNo files are served; start with --dir PATH to serve some.\n",
        Some([]) => page += "\nThe folder of files is empty.\n",
        Some(names) => {
            page += "\nFiles:\n\n";
            names.iter().for_each(|name| page += &format!("  /{}\n", percent_encode(name)));
        }
    }
    page
}

pub(super) fn html(about: &About, files: Option<&[String]>) -> String {
    let commands: Vec<String> = about.commands().iter().map(|command| escape(command)).collect();
    let files = match files {
        None => "<p>No files are served; start with <code>--dir PATH</code> to serve some.</p>".to_owned(),
        Some([]) => "<p>The folder of files is empty.</p>".to_owned(),
        Some(names) => {
            let link = |name: &String| {
                format!("<li><a href=\"/{}\">{}</a></li>\n", percent_encode(name), escape(name))
            };
            format!("<p>Files:</p>\n<ul>\n{}</ul>", names.iter().map(link).collect::<String>())
        }
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ustack</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:44em;margin:3em auto;padding:0 1em}}\
         pre{{background:#f2f2f2;padding:1em;overflow:auto}}</style></head>\n\
         <body><h1>ustack</h1>\n<p>This is a host whose TCP/IP runs in user space. Try:</p>\n\
         <pre>{}</pre>\n{files}\n</body></html>\n",
        commands.join("\n")
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_escaped() {
        let about = About { addresses: vec!["fd00::2".parse().unwrap(), "10.0.0.2".parse().unwrap()] };
        let names = ["<b> &".to_owned()];
        let page = html(&about, Some(&names));
        assert!(page.contains("&lt;b&gt; &amp;") && page.contains("href=\"/%3Cb%3E%20%26\""), "{page}");
        assert!(page.contains("curl http://[fd00::2]/\n") && page.contains("iperf3 -c 10.0.0.2"));
        assert!(text(&about, Some(&names)).contains("  /%3Cb%3E%20%26\n"));
    }
}
