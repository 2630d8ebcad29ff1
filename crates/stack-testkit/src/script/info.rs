//! `tcp_info` and the constants that assertions compare it with.

use stack_core::EndpointId;
use stack_host::Host;

/// The value of a name in an assertion.
pub(super) fn field(host: &Host, endpoint: Option<EndpointId>, name: &str) -> Option<f64> {
    let _ = (host, endpoint);
    constant(name).map(f64::from)
}

/// States and congestion states as Linux numbers them.
fn constant(name: &str) -> Option<u32> {
    Some(match name {
        "TCP_ESTABLISHED" => 1,
        "TCP_SYN_SENT" => 2,
        "TCP_SYN_RECV" => 3,
        "TCP_FIN_WAIT1" => 4,
        "TCP_FIN_WAIT2" => 5,
        "TCP_TIME_WAIT" => 6,
        "TCP_CLOSE" => 7,
        "TCP_CLOSE_WAIT" => 8,
        "TCP_LAST_ACK" => 9,
        "TCP_LISTEN" => 10,
        "TCP_CLOSING" => 11,
        "TCP_CA_Open" => 0,
        "TCP_CA_Disorder" => 1,
        "TCP_CA_CWR" => 2,
        "TCP_CA_Recovery" => 3,
        "TCP_CA_Loss" => 4,
        _ => return None,
    })
}
