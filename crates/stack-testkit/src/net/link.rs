//! Links between hosts: a pair of channel ends, behind a line that delays, loses and damages, perhaps with Ethernet.

use crate::net::{HostId, Net};
use link_channel::{ChannelConfig, ChannelLink, pair};
use link_ethernet::Ethernet;
use link_impair::{Impair, ImpairConfig, ImpairStatistics};
use stack_core::{IpNet, LinkAddress, Medium, NicId};

/// What a link between two hosts is like; both directions alike, each with its own chance.
#[derive(Clone, PartialEq, Debug)]
pub struct LinkSpec {
    /// IP packets, or Ethernet frames with neighbours to resolve.
    pub medium: Medium,
    /// Largest IP packet, in bytes.
    pub mtu: u32,
    /// Checksums are neither computed nor verified and super-packets pass whole. Not together with a line.
    pub offload: bool,
    /// Delay, rate, queue, loss and the rest; `None` for a link that does nothing to packets.
    pub line: Option<ImpairConfig>,
    /// Where its chance comes from.
    pub seed: u64,
}

impl Default for LinkSpec {
    fn default() -> Self {
        Self { medium: Medium::Ip, mtu: 1500, offload: false, line: None, seed: 0 }
    }
}

impl LinkSpec {
    /// A link of IP packets with this line.
    pub fn line(line: ImpairConfig, seed: u64) -> Self {
        Self { line: Some(line), seed, ..Self::default() }
    }

    fn channel(&self, addresses: [LinkAddress; 2]) -> ChannelConfig {
        let config = ChannelConfig { mtu: self.mtu, medium: self.medium, ..ChannelConfig::default() };
        let config = if self.offload { config.with_offload() } else { config };
        let link_addresses = addresses.map(|address| (self.medium == Medium::Ethernet).then_some(address));
        ChannelConfig { link_addresses, ..config }
    }
}

impl Net {
    /// Puts a link between two hosts, with these addresses at its ends. Returns the interfaces.
    ///
    /// # Panics
    /// A host refuses its interface or an address.
    pub fn connect(&mut self, a: (HostId, &[IpNet]), b: (HostId, &[IpNet]), spec: &LinkSpec) -> [NicId; 2] {
        let number = self.next_link();
        let address = |end: u8| LinkAddress([2, 0, 0, number[0], number[1], end]);
        let (first, second) = pair(spec.channel([address(1), address(2)]));
        let [seed_a, seed_b] = [spec.seed ^ 0xa5a5_0000_0000, spec.seed ^ 0x5a5a_0000_0000];
        [self.attach_line(a, first, spec, seed_a), self.attach_line(b, second, spec, seed_b)]
    }

    fn counted(&mut self, line: Impair<ChannelLink>) -> Impair<ChannelLink> {
        self.lines.push(line.transmit_counters());
        line
    }

    /// What the lines of [`connect`](Self::connect) have done to packets, all together.
    pub fn line_statistics(&self) -> ImpairStatistics {
        self.lines.iter().map(|line| line.statistics()).fold(ImpairStatistics::default(), |sum, line| {
            ImpairStatistics {
                arrived: sum.arrived + line.arrived,
                lost: sum.lost + line.lost,
                overflowed: sum.overflowed + line.overflowed,
                marked: sum.marked + line.marked,
                policed: sum.policed + line.policed,
                reordered: sum.reordered + line.reordered,
                duplicated: sum.duplicated + line.duplicated,
                corrupted: sum.corrupted + line.corrupted,
            }
        })
    }

    fn attach_line(
        &mut self,
        end: (HostId, &[IpNet]),
        link: ChannelLink,
        spec: &LinkSpec,
        seed: u64,
    ) -> NicId {
        match (spec.medium, spec.line) {
            (Medium::Ethernet, Some(line)) => {
                let line = self.counted(Impair::new(link, line, seed));
                self.attach(end.0, framed(line), end.1)
            }
            (Medium::Ethernet, None) => self.attach(end.0, framed(link), end.1),
            (_, Some(line)) => {
                let line = self.counted(Impair::new(link, line, seed));
                self.attach(end.0, line, end.1)
            }
            (_, None) => self.attach(end.0, link, end.1),
        }
    }
}

fn framed<L: stack_core::LinkEndpoint>(link: L) -> Ethernet<L> {
    Ethernet::with_link_address_of(link).expect("the channel has a link address")
}
