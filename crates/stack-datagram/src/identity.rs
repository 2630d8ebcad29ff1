//! How a socket gets its port and the identity that the host demultiplexes by, and gives them back.

use core::net::SocketAddr;
use stack_core::{EndpointId, EndpointIdentity, Error, PortRequest, TransportCx};

/// Reserves a port and registers the identity that goes with it; returns what was reserved, with the port that was granted.
///
/// # Errors
/// [`Error::PortInUse`] and others of the registry; then nothing is reserved.
pub fn take_port(
    cx: &mut TransportCx<'_>,
    id: EndpointId,
    wish: PortRequest,
) -> Result<(PortRequest, EndpointIdentity), Error> {
    let request = PortRequest { port: cx.reserve_port(&wish)?, ..wish };
    let identity = EndpointIdentity {
        nic: request.nic,
        families: request.families,
        local: request.local,
        local_port: request.port,
        remote: request.remote.map(|remote| remote.ip()),
        remote_port: request.remote.as_ref().map_or(0, SocketAddr::port),
        shared: request.shared,
    };
    if let Err(error) = cx.register(&identity, id) {
        cx.release_port(&request);
        return Err(in_use(error));
    }
    Ok((request, identity))
}

/// Registers another identity in place of the present one.
///
/// # Errors
/// [`Error::PortInUse`] and others of the registry; then the present one stays.
pub fn change_identity(
    cx: &mut TransportCx<'_>,
    id: EndpointId,
    old: EndpointIdentity,
    new: EndpointIdentity,
) -> Result<(), Error> {
    if new != old {
        cx.register(&new, id).map_err(in_use)?;
        cx.unregister(&old, id);
    }
    Ok(())
}

/// Gives an identity and the port that goes with it back.
pub fn give_back(
    cx: &mut TransportCx<'_>,
    id: EndpointId,
    request: &PortRequest,
    identity: &EndpointIdentity,
) {
    cx.unregister(identity, id);
    cx.release_port(request);
}

/// Two sockets with one identity are two sockets with one port, to an application.
fn in_use(error: Error) -> Error {
    if error == Error::DuplicateAddress { Error::PortInUse } else { error }
}
