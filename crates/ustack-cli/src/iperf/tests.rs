//! The real client against this server, over the kernel's loopback.

use super::*;
use crate::limit::Limit;
use crate::net::kernel::Kernel;
use serde_json::Value;
use std::process::Stdio;
use tokio::process::Command;

/// Runs the server and one client with these options; `None` if no iperf3 is installed.
async fn run(options: &[&str]) -> Option<Value> {
    let port = start().await;
    client(port, options).await
}

async fn start() -> u16 {
    let _ = tracing_subscriber::fmt().with_test_writer().try_init();
    loop {
        let listener = Kernel.listen(0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // The same number may be taken for UDP.
        if let Ok(datagrams) = Kernel.datagrams(port).await {
            tokio::spawn(serve(Kernel, Limit::new(300).gate(listener, REFUSAL), datagrams));
            return port;
        }
    }
}

async fn client(port: u16, options: &[&str]) -> Option<Value> {
    let port = port.to_string();
    let mut command = Command::new("iperf3");
    command.args(["-c", "127.0.0.1", "-J", "-p", &port]).args(options);
    if !options.contains(&"-n") {
        command.args(["-t", "1"]);
    }
    let output = match command.stdin(Stdio::null()).output().await {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: iperf3 does not start: {error}; install it with `apt-get install iperf3`");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn bytes(report: &Value, sum: &str) -> f64 {
    report["end"][sum]["bytes"].as_f64().unwrap_or_else(|| panic!("no {sum} in {report:#}"))
}

#[tokio::test]
async fn tcp_to_the_server() {
    let Some(report) = run(&["-P", "4"]).await else { return };
    assert_eq!(report["error"], Value::Null);
    let (sent, received) = (bytes(&report, "sum_sent"), bytes(&report, "sum_received"));
    assert!(sent > 1e6, "only {sent} bytes");
    assert_eq!(sent, received);
    assert_eq!(report["end"]["streams"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn tcp_from_the_server() {
    let Some(report) = run(&["-R", "-P", "2"]).await else { return };
    assert_eq!(report["error"], Value::Null);
    let (sent, received) = (bytes(&report, "sum_sent"), bytes(&report, "sum_received"));
    assert!(received > 1e6 && received <= sent, "{received} of {sent} bytes");
}

#[tokio::test]
async fn tcp_both_ways_at_once() {
    let Some(report) = run(&["--bidir", "-P", "2"]).await else { return };
    assert_eq!(report["error"], Value::Null);
    for suffix in ["", "_bidir_reverse"] {
        let sent = bytes(&report, &format!("sum_sent{suffix}"));
        let received = bytes(&report, &format!("sum_received{suffix}"));
        assert!(received > 1e6 && received <= sent, "{suffix}: {received} of {sent} bytes");
    }
}

#[tokio::test]
async fn a_rate_is_kept_in_both_directions() {
    for direction in [&[][..], &["-R"]] {
        let Some(report) = run(&[&["-b", "40M"], direction].concat()).await else { return };
        let received = bytes(&report, "sum_received");
        assert!((4e6..7e6).contains(&received), "{received} bytes at 5 MB/s in 1 s");
    }
}

#[tokio::test]
async fn udp_both_ways() {
    for direction in [&[][..], &["-R"], &["--bidir"], &["-P", "3"]] {
        let Some(report) = run(&[&["-u", "-b", "10M", "-l", "1000"], direction].concat()).await else {
            return;
        };
        assert_eq!(report["error"], Value::Null, "{direction:?}");
        let sum = &report["end"]["sum"];
        let (packets, lost) = (sum["packets"].as_f64().unwrap(), sum["lost_packets"].as_f64().unwrap());
        assert!(packets > 200.0, "{direction:?}: {packets} datagrams");
        // The kernel's own sockets carry this test: on a busy machine a starved client loses some.
        assert!(lost < packets / 2.0, "{direction:?}: {lost} of {packets}");
    }
}

#[tokio::test]
async fn tests_that_end_by_count_and_omit_their_beginning() {
    let Some(report) = run(&["-n", "10M"]).await else { return };
    let received = bytes(&report, "sum_received");
    assert!((1e7..1.2e7).contains(&received), "{received} bytes of 10 MiB");
    let Some(report) = run(&["-O", "1", "-b", "80M"]).await else { return };
    assert_eq!(report["error"], Value::Null);
    let received = bytes(&report, "sum_received");
    assert!((8e6..1.3e7).contains(&received), "{received} bytes at 10 MB/s in the counted second");
    let Some(report) = run(&["--get-server-output"]).await else { return };
    let text = report["server_output_text"].as_str().unwrap();
    assert!(text.contains("received"), "{text}");
}

#[tokio::test]
async fn one_test_at_a_time() {
    let port = start().await;
    let both = tokio::join!(client(port, &[]), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        client(port, &[]).await
    });
    let (Some(first), Some(second)) = both else { return };
    assert_eq!(first["error"], Value::Null);
    assert!(second["error"].as_str().unwrap().contains("busy"), "{}", second["error"]);
    let third = client(port, &["-n", "1M"]).await.unwrap();
    assert_eq!(third["error"], Value::Null);
}

#[tokio::test]
async fn a_client_that_breaks_off_does_not_block_the_next() {
    use tokio::io::AsyncWriteExt;
    let port = start().await;
    for sent in [&b""[..], b"short", &[b'x'; COOKIE_LEN], &[&[b'y'; COOKIE_LEN][..], &[0xff; 8]].concat()] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(sent).await.unwrap();
        drop(stream);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let Some(report) = client(port, &["-n", "1M"]).await else { return };
    assert_eq!(report["error"], Value::Null);
}
