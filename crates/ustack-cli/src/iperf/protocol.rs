//! The words of the iperf3 protocol: one byte of state at a time on the control connection, and JSON objects behind a
//! length of four bytes in network order.
//!
//! A client opens the control connection with a cookie of 36 characters and a zero; each data connection begins with
//! the same cookie. Unknown fields of its parameters are ignored, as iperf3 itself does.

use crate::net::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// 36 characters and a zero.
pub(super) const COOKIE_LEN: usize = 37;
/// What identifies a test.
pub(super) type Cookie = [u8; COOKIE_LEN];
/// Largest JSON object that we take, in bytes: results of 128 streams stay far below.
const MAX_MESSAGE: u32 = 1 << 20;

/// First datagram of a UDP stream, its two older forms, and the answer.
pub(super) const UDP_HELLO: [[u8; 4]; 3] =
    [*b"9876", 123_456_789_u32.to_le_bytes(), 123_456_789_u32.to_be_bytes()];
pub(super) const UDP_WELCOME: [u8; 4] = *b"6789";

/// What a byte on the control connection says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub(super) enum State {
    TestStart = 1,
    TestRunning = 2,
    TestEnd = 4,
    ParamExchange = 9,
    CreateStreams = 10,
    ServerTerminate = 11,
    ClientTerminate = 12,
    ExchangeResults = 13,
    DisplayResults = 14,
    IperfDone = 16,
    AccessDenied = -1,
    ServerError = -2,
}

impl State {
    const ALL: [Self; 12] = [
        Self::TestStart,
        Self::TestRunning,
        Self::TestEnd,
        Self::ParamExchange,
        Self::CreateStreams,
        Self::ServerTerminate,
        Self::ClientTerminate,
        Self::ExchangeResults,
        Self::DisplayResults,
        Self::IperfDone,
        Self::AccessDenied,
        Self::ServerError,
    ];

    /// As it stands on the wire.
    pub(super) const fn byte(self) -> u8 {
        self as i8 as u8
    }
}

/// What the client wants. Defaults are those of a field that it leaves out.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    pub(super) udp: bool,
    /// Another transport that we don't speak.
    pub(super) sctp: bool,
    /// Seconds at the beginning that don't count.
    pub(super) omit: u64,
    /// Seconds; 0 if the client ends the test by count.
    pub(super) time: u64,
    /// Streams in each direction.
    pub(super) parallel: usize,
    pub(super) reverse: bool,
    #[serde(deserialize_with = "truth")]
    pub(super) bidirectional: bool,
    /// Bytes of a block, or of a datagram.
    pub(super) len: usize,
    /// Bits a second; 0 for as fast as possible.
    pub(super) bandwidth: u64,
    pub(super) nodelay: bool,
    #[serde(deserialize_with = "truth")]
    pub(super) udp_counters_64bit: bool,
    #[serde(deserialize_with = "truth")]
    pub(super) get_server_output: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            udp: false,
            sctp: false,
            omit: 0,
            time: 10,
            parallel: 1,
            reverse: false,
            bidirectional: false,
            len: 128 * 1024,
            bandwidth: 0,
            nodelay: false,
            udp_counters_64bit: false,
            get_server_output: false,
        }
    }
}

/// iperf3 writes some of its flags as numbers.
fn truth<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Bool(bool),
        Number(i64),
    }
    Ok(match Flag::deserialize(from)? {
        Flag::Bool(flag) => flag,
        Flag::Number(number) => number != 0,
    })
}

/// What one side measured.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) cpu_util_total: f64,
    pub(super) cpu_util_user: f64,
    pub(super) cpu_util_system: f64,
    /// Whether the streams of this side count retransmissions: 0 or 1, and -1 if it has only received.
    pub(super) sender_has_retransmits: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_output_text: Option<String>,
    pub(super) streams: Vec<StreamResults>,
}

/// What one side measured of one stream.
#[derive(Debug, Serialize)]
pub(super) struct StreamResults {
    pub(super) id: u32,
    pub(super) bytes: u64,
    /// -1 where it is not known.
    pub(super) retransmits: i64,
    /// Seconds (RFC 1889 §6.3.1).
    pub(super) jitter: f64,
    pub(super) errors: i64,
    pub(super) omitted_errors: i64,
    pub(super) packets: u64,
    pub(super) omitted_packets: u64,
    /// Seconds since the counted part began.
    pub(super) start_time: f64,
    pub(super) end_time: f64,
}

/// The next byte of state; `None` at the end of the connection.
pub(super) async fn read_state(control: &mut impl Stream) -> io::Result<Option<State>> {
    let byte = match control.read_i8().await {
        Ok(byte) => byte,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let known = State::ALL.into_iter().find(|state| *state as i8 == byte);
    known.map(Some).ok_or_else(|| invalid(format!("the client sent the unknown state {byte}")))
}

pub(super) async fn write_state(control: &mut impl Stream, state: State) -> io::Result<()> {
    control.write_all(&[state.byte()]).await?;
    control.flush().await
}

/// Says that the test can't be, in the two numbers that the client prints as a sentence.
pub(super) async fn write_error(control: &mut impl Stream, code: i32) -> io::Result<()> {
    let mut message = vec![State::ServerError.byte()];
    message.extend(code.to_be_bytes());
    message.extend(0_i32.to_be_bytes());
    control.write_all(&message).await?;
    control.flush().await
}

pub(super) async fn read_json<T: DeserializeOwned>(control: &mut impl Stream) -> io::Result<T> {
    let length = control.read_u32().await?;
    if length > MAX_MESSAGE {
        return Err(invalid(format!("the client announces a message of {length} bytes")));
    }
    let mut text = vec![0; length as usize];
    control.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(|error| invalid(format!("the client's JSON: {error}")))
}

pub(super) async fn write_json(control: &mut impl Stream, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(|_| invalid("results of more than 4 GiB".to_owned()))?;
    control.write_all(&[&length.to_be_bytes()[..], &text].concat()).await?;
    control.flush().await
}

pub(super) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_client() {
        let text = r#"{"tcp":true,"omit":0,"time":2,"num":0,"blockcount":0,"parallel":8,"reverse":true,
            "len":131072,"pacing_timer":1000,"client_version":"3.12"}"#;
        let parameters: Parameters = serde_json::from_str(text).unwrap();
        let expected = Parameters { time: 2, parallel: 8, reverse: true, ..Parameters::default() };
        assert_eq!(parameters, expected);

        let text = r#"{"udp":true,"bidirectional":1,"udp_counters_64bit":1,"bandwidth":1048576,"len":1448}"#;
        let parameters: Parameters = serde_json::from_str(text).unwrap();
        assert!(parameters.udp && parameters.bidirectional && parameters.udp_counters_64bit);
        assert_eq!((parameters.bandwidth, parameters.len), (1_048_576, 1448));
    }

    #[test]
    fn the_greeting_of_udp_streams() {
        assert_eq!(UDP_HELLO[0], 0x3637_3839_u32.to_le_bytes());
        assert_eq!(UDP_WELCOME, 0x3938_3736_u32.to_le_bytes());
    }

    #[test]
    fn states_as_bytes() {
        assert_eq!((State::AccessDenied.byte(), State::ServerError.byte()), (255, 254));
        assert_eq!(State::IperfDone.byte(), 16);
    }
}
