//! The same for threads: each call runs the lookup to its end.

use crate::error::LookupError;
use hickory_proto::rr::{Name, Record, RecordType};
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;
use tokio::runtime::{Builder, Runtime};

/// A resolver that blocks the calling thread, with a runtime of its own. Threads that share it take turns. Not for async
/// code: there it panics, as [`Runtime::block_on`] does.
#[derive(Debug)]
pub struct Resolver {
    resolver: crate::Resolver,
    runtime: Mutex<Runtime>,
}

impl Resolver {
    /// Runs the lookups of `resolver` on the calling thread.
    ///
    /// # Errors
    /// There are no resources for a runtime.
    pub fn new(resolver: crate::Resolver) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        Ok(Self { resolver, runtime: Mutex::new(runtime) })
    }

    /// What it asks through: servers and domains are set there.
    pub fn get_ref(&self) -> &crate::Resolver {
        &self.resolver
    }

    /// As [`Resolver::lookup_ip`](crate::Resolver::lookup_ip).
    ///
    /// # Errors
    /// As there.
    pub fn lookup_ip(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        self.run(self.resolver.lookup_ip(name))
    }

    /// As [`Resolver::lookup_name`](crate::Resolver::lookup_name).
    ///
    /// # Errors
    /// As there.
    pub fn lookup_name(&self, address: IpAddr) -> Result<Vec<Name>, LookupError> {
        self.run(self.resolver.lookup_name(address))
    }

    /// As [`Resolver::lookup`](crate::Resolver::lookup).
    ///
    /// # Errors
    /// As there.
    pub fn lookup(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, LookupError> {
        self.run(self.resolver.lookup(name, kind))
    }

    fn run<T>(&self, lookup: impl Future<Output = T>) -> T {
        let runtime = self.runtime.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        runtime.block_on(lookup)
    }
}
