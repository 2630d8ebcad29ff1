//! Groups that `ustack serve --join` receives: what comes to a group is sent back to the group, to the port that it came from,
//! so that one probe sees our stack as a member and as a sender.

use crate::failure::Outcome;
use crate::ours::Ours;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use ustack::spawn_inline;
use ustack::tokio::UdpSocket;

/// Where they are received: beside the echo of datagrams that come to us alone, on 7. What comes from this port is another
/// such service's, and not answered.
const PORT: u16 = 7007;

/// Joins the groups, and serves each in a task of its own from then on.
///
/// # Errors
/// An address is no group, or no interface carries its family.
pub(crate) async fn join(network: &Ours, groups: &[IpAddr]) -> Outcome {
    for &group in groups {
        let refused =
            |error: std::io::Error| format!("cannot join {group}: {error}; write an IPv4 or IPv6 group");
        let socket = UdpSocket::bind(network.stack(), SocketAddr::new(group, PORT));
        let socket = socket.await.map_err(|error| refused(error.into()))?;
        let joined = match group {
            IpAddr::V4(group) => socket.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, 0),
        };
        joined.map_err(refused)?;
        spawn_inline(echo(socket, group)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Sends back each datagram, for ever.
async fn echo(socket: UdpSocket, group: IpAddr) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        if peer.port() == PORT {
            continue;
        }
        let back = SocketAddr::new(group, peer.port());
        if let Err(error) = socket.send_to(&buffer[..length], back).await {
            tracing::debug!(%back, "group: {error}");
        }
    }
}
