//! The settings of a socket.
//!
//! What decides how a socket shares its port must be set before it is bound; the rest holds from the next datagram on.

use crate::Udp;
use stack_core::{EndpointId, Error, Families, OptionName, SocketOption, TransportCx};

impl Udp {
    pub(crate) fn read_option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let socket = self.sockets.open(id)?;
        let options = &socket.options;
        Ok(match name {
            OptionName::ReceiveBuffer => SocketOption::ReceiveBuffer(socket.receive.limit()),
            OptionName::SendBuffer => SocketOption::SendBuffer(socket.send.limit()),
            OptionName::ReuseAddress => SocketOption::ReuseAddress(options.shared_address),
            OptionName::ReusePort => SocketOption::ReusePort(options.shared_port),
            OptionName::V6Only => SocketOption::V6Only(socket.families == Families::V6),
            OptionName::Broadcast => SocketOption::Broadcast(options.broadcast),
            OptionName::BindToNic => SocketOption::BindToNic(options.nic),
            OptionName::Mark => SocketOption::Mark(options.mark),
            OptionName::HopLimit => SocketOption::HopLimit(options.hop_limit),
            OptionName::MulticastHopLimit => SocketOption::MulticastHopLimit(options.multicast_hop_limit),
            OptionName::MulticastLoop => SocketOption::MulticastLoop(options.multicast_loop),
            OptionName::MulticastNic => SocketOption::MulticastNic(options.multicast_nic),
            OptionName::DontFragment => SocketOption::DontFragment(options.dont_fragment),
            OptionName::ReceiveErrors => SocketOption::ReceiveErrors(options.receive_errors),
            OptionName::TrafficClass => SocketOption::TrafficClass(options.traffic_class),
            OptionName::FlowLabel => SocketOption::FlowLabel(options.flow_label),
            _ => return Err(Error::NotSupported),
        })
    }

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
                if socket.send.has_room() {
                    cx.wake(&mut socket.writable);
                }
            }
            SocketOption::ReuseAddress(_) | SocketOption::ReusePort(_) if socket.binding.is_some() => {
                return Err(Error::InvalidState);
            }
            SocketOption::ReuseAddress(on) => options.shared_address = on,
            SocketOption::ReusePort(on) => options.shared_port = on,
            SocketOption::V6Only(_) if socket.families == Families::V4 => return Err(Error::AddressFamily),
            SocketOption::V6Only(_) if socket.binding.is_some() => return Err(Error::InvalidState),
            SocketOption::V6Only(on) => socket.families = if on { Families::V6 } else { Families::Dual },
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
            // All eight bits: it is the application that speaks ECN over UDP (RFC 8085 §3.1.7).
            SocketOption::TrafficClass(class) => options.traffic_class = class,
            SocketOption::FlowLabel(label) if SocketOption::is_flow_label(label) => {
                options.flow_label = label
            }
            SocketOption::FlowLabel(_) => return Err(Error::InvalidArgument),
            _ => return self.change_membership(cx, id, option),
        }
        Ok(())
    }
}
