//! The pcapng format, by the `pcap-file` package; nothing outside of this file knows that package.

use crate::record::Record;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, PcapError};
use stack_core::LinkAddress;
use std::borrow::Cow;
use std::io::{self, Write};

/// `if_tsresol`: stamps count 10^-9 seconds.
const NANOSECONDS: u8 = 9;
/// Direction bits of `epb_flags`: inbound.
const INBOUND: u32 = 1;
/// Direction bits of `epb_flags`: outbound.
const OUTBOUND: u32 = 2;

/// What the first byte of a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// An Ethernet header (`LINKTYPE_ETHERNET`).
    Ethernet,
    /// An IPv4 or IPv6 header (`LINKTYPE_RAW`).
    Raw,
}

/// A file under construction.
pub(crate) struct Writer {
    inner: PcapNgWriter<Box<dyn Write + Send>>,
    interfaces: u32,
}

impl Writer {
    pub(crate) fn new(to: Box<dyn Write + Send>) -> io::Result<Self> {
        let application = SectionHeaderOption::UserApplication(Cow::Borrowed("ustack"));
        let section = SectionHeaderBlock { options: vec![application], ..SectionHeaderBlock::default() };
        let inner = PcapNgWriter::with_section_header(to, section).map_err(io_error)?;
        Ok(Self { inner, interfaces: 0 })
    }

    /// Describes an interface and returns its number.
    pub(crate) fn interface(
        &mut self,
        name: &str,
        framing: Framing,
        snaplen: u32,
        address: Option<LinkAddress>,
    ) -> io::Result<u32> {
        let mut options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
            InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
        ];
        let bytes = address.map(|address| address.0);
        options.extend(bytes.iter().map(|bytes| InterfaceDescriptionOption::IfMacAddr(Cow::Borrowed(bytes))));
        let linktype = match framing {
            Framing::Ethernet => DataLink::ETHERNET,
            Framing::Raw => DataLink::RAW,
        };
        let block = InterfaceDescriptionBlock { linktype, snaplen, options };
        self.inner.write_pcapng_block(block).map_err(io_error)?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    pub(crate) fn record(&mut self, record: &Record) -> io::Result<()> {
        let direction = if record.inbound { INBOUND } else { OUTBOUND };
        let mut options = vec![EnhancedPacketOption::Flags(direction)];
        let comment = record.dropped.map(|reason| format!("dropped: {reason}"));
        options.extend(comment.map(|text| EnhancedPacketOption::Comment(Cow::Owned(text))));
        let block = EnhancedPacketBlock {
            interface_id: record.interface,
            timestamp: record.at,
            original_len: record.original_len,
            data: Cow::Borrowed(&record.data),
            options,
        };
        self.inner.write_pcapng_block(block).map(|_| ()).map_err(io_error)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.inner.get_mut().flush()
    }
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use pcap_file::pcapng::{Block, PcapNgReader};
    use std::time::Duration;

    /// A record as somebody else reads it from the file.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub(crate) struct ReadRecord {
        pub(crate) interface: String,
        pub(crate) framing: Framing,
        pub(crate) at: Duration,
        pub(crate) original_len: u32,
        pub(crate) data: Vec<u8>,
        pub(crate) inbound: bool,
        pub(crate) comment: Option<String>,
    }

    /// Reads a whole file.
    pub(crate) fn read(file: &[u8]) -> Vec<ReadRecord> {
        let mut reader = PcapNgReader::new(file).unwrap();
        let (mut interfaces, mut records) = (Vec::new(), Vec::new());
        while let Some(block) = reader.next_block() {
            match block.unwrap() {
                Block::InterfaceDescription(block) => interfaces.push(interface(&block)),
                Block::EnhancedPacket(block) => {
                    let (interface, framing) = interfaces[block.interface_id as usize].clone();
                    records.push(record(&block, interface, framing));
                }
                _ => {}
            }
        }
        records
    }

    fn interface(block: &InterfaceDescriptionBlock<'_>) -> (String, Framing) {
        assert!(block.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
        let name = block.options.iter().find_map(|option| match option {
            InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
            _ => None,
        });
        let framing = if block.linktype == DataLink::ETHERNET { Framing::Ethernet } else { Framing::Raw };
        (name.unwrap(), framing)
    }

    fn record(block: &EnhancedPacketBlock<'_>, interface: String, framing: Framing) -> ReadRecord {
        let comment = block.options.iter().find_map(|option| match option {
            EnhancedPacketOption::Comment(text) => Some(text.to_string()),
            _ => None,
        });
        ReadRecord {
            interface,
            framing,
            at: block.timestamp,
            original_len: block.original_len,
            data: block.data.to_vec(),
            inbound: block.options.contains(&EnhancedPacketOption::Flags(INBOUND)),
            comment,
        }
    }

    #[test]
    fn linktypes_are_those_of_the_registry() {
        assert_eq!((u32::from(DataLink::ETHERNET), u32::from(DataLink::RAW)), (1, 101));
    }
}
