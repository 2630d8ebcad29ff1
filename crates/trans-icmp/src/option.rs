//! The settings of a socket; they hold from the next request on.

use crate::{Family, Icmp};
use stack_core::{EndpointId, Error, SocketOption, TransportCx};

impl<F: Family> Icmp<F> {
    pub(crate) fn change_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        let max_buffer = self.config.max_buffer;
        let socket = self.sockets.open_mut(id)?;
        let options = &mut socket.options;
        match option {
            SocketOption::ReceiveBuffer(bytes) => socket.receive.set_limit(bytes.min(max_buffer)),
            SocketOption::SendBuffer(bytes) => {
                socket.send.set_limit(bytes.min(max_buffer));
                if socket.send.is_below_limit() {
                    cx.wake(&mut socket.writable);
                }
            }
            SocketOption::Broadcast(on) => options.broadcast = on,
            SocketOption::BindToNic(nic) => return self.set_nic(cx, id, nic),
            SocketOption::Mark(mark) => options.mark = mark,
            // 0 would be the default in a packet, and no packet of ours may leave with it (RFC 1122 §3.2.1.7).
            SocketOption::HopLimit(0) | SocketOption::MulticastHopLimit(0) => {
                return Err(Error::InvalidArgument);
            }
            SocketOption::HopLimit(limit) => options.hop_limit = limit,
            SocketOption::MulticastHopLimit(limit) => options.multicast_hop_limit = limit,
            SocketOption::MulticastLoop(on) => options.multicast_loop = on,
            SocketOption::MulticastNic(nic) => options.multicast_nic = nic,
            SocketOption::DontFragment(on) => options.dont_fragment = on,
            SocketOption::ReceiveErrors(on) => {
                options.receive_errors = on;
                if !on {
                    socket.reports.clear();
                }
            }
            SocketOption::TrafficClass(class) => options.traffic_class = class,
            _ => return Err(Error::NotSupported),
        }
        Ok(())
    }
}
