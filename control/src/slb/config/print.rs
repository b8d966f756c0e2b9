//! The running configuration's `ip slb` part: only what differs from the defaults, one blank a level.

use std::fmt::{self, Write as _};

use super::{
    FailDetect, FarmConfig, PredictorConfig, RealConfig, Reassign, ServiceKind, SlbConfig, SynGuard,
    Transport, VirtualConfig, VserverConfig,
};
use crate::command::{ConfigWriter, rank};

impl SlbConfig {
    /// Writes the part's text.
    pub fn print(&self, out: &mut ConfigWriter) {
        // Writing to a string cannot fail.
        let _ = self.write(out);
    }

    fn write(&self, out: &mut ConfigWriter) -> fmt::Result {
        for probe in &self.probes {
            out.block(rank::PROBES);
            writeln!(out, "ip slb probe {} {}", probe.name, probe.kind.words())?;
            probe.write(out)?;
        }
        for farm in &self.farms {
            out.block(rank::SERVER_FARMS);
            write_farm(out, farm)?;
        }
        for vserver in &self.vservers {
            out.block(rank::VIRTUAL_SERVERS);
            write_vserver(out, vserver)?;
        }
        Ok(())
    }
}

fn write_farm(out: &mut ConfigWriter, farm: &FarmConfig) -> fmt::Result {
    writeln!(out, "ip slb serverfarm {}", farm.name)?;
    if farm.nat_server {
        out.write_str(" nat server\n")?;
    }
    if let Some(pool) = &farm.nat_client {
        writeln!(out, " nat client {pool}")?;
    }
    if farm.predictor == PredictorConfig::LeastConns {
        out.write_str(" predictor leastconns\n")?;
    }
    if farm.bindid != 0 {
        writeln!(out, " bindid {}", farm.bindid)?;
    }
    for probe in &farm.probes {
        writeln!(out, " probe {probe}")?;
    }
    if farm.purge {
        out.write_str(" failaction purge\n")?;
    }
    for (i, real) in farm.reals.iter().enumerate() {
        if i > 0 {
            out.write_str(" !\n")?;
        }
        write_real(out, real)?;
    }
    Ok(())
}

fn write_real(out: &mut ConfigWriter, real: &RealConfig) -> fmt::Result {
    writeln!(out, " real {}", real.key())?;
    if real.weight != RealConfig::DEFAULT_WEIGHT {
        writeln!(out, "  weight {}", real.weight)?;
    }
    match real.reassign {
        RealConfig::DEFAULT_REASSIGN => {}
        Reassign::After(retries) => writeln!(out, "  reassign {retries}")?,
        Reassign::Never => out.write_str("  no reassign\n")?,
    }
    let default = FailDetect::default();
    let FailDetect { numconns, numclients, inband } = real.faildetect;
    if numclients != default.numclients {
        writeln!(out, "  faildetect numconns {numconns} numclients {numclients}")?;
    } else if numconns != default.numconns {
        writeln!(out, "  faildetect numconns {numconns}")?;
    }
    if !inband {
        out.write_str("  no faildetect inband\n")?;
    }
    if real.maxconns != u32::MAX {
        writeln!(out, "  maxconns {}", real.maxconns)?;
    }
    if real.retry != RealConfig::DEFAULT_RETRY {
        writeln!(out, "  retry {}", real.retry)?;
    }
    if real.inservice {
        out.write_str("  inservice\n")?;
    }
    Ok(())
}

fn write_vserver(out: &mut ConfigWriter, vserver: &VserverConfig) -> fmt::Result {
    writeln!(out, "ip slb vserver {}", vserver.name)?;
    if let Some(address) = &vserver.address {
        writeln!(out, " virtual {address}")?;
    }
    if let Some(choice) = &vserver.farm {
        write!(out, " serverfarm {}", choice.primary)?;
        if let Some(backup) = &choice.backup {
            write!(out, " backup {backup}")?;
        }
        out.write_char('\n')?;
    }
    for rule in &vserver.clients {
        let exclude = if rule.exclude { " exclude" } else { "" };
        writeln!(out, " client {} {}{exclude}", rule.network.network(), rule.network.netmask())?;
    }
    if let Some(rate) = vserver.client_rate {
        writeln!(out, " client-rate {rate}")?;
    }
    if vserver.idle_request != VserverConfig::DEFAULT_IDLE_REQUEST {
        writeln!(out, " idle ipmobile request {}", vserver.idle_request)?;
    }
    if let Some(sticky) = &vserver.sticky {
        write!(out, " sticky {}", sticky.seconds)?;
        if let Some(group) = sticky.group {
            write!(out, " group {group}")?;
        }
        if let Some(netmask) = sticky.netmask {
            write!(out, " netmask {netmask}")?;
        }
        out.write_char('\n')?;
    }
    if let Some(SynGuard { count, interval }) = vserver.synguard {
        if interval == SynGuard::DEFAULT_INTERVAL {
            writeln!(out, " synguard {count}")?;
        } else {
            writeln!(out, " synguard {count} {interval}")?;
        }
    }
    if let Some(replicate) = &vserver.replicate {
        write!(out, " replicate casa {} {} {}", replicate.local, replicate.remote, replicate.port)?;
        if let Some(interval) = replicate.interval {
            write!(out, " {interval}")?;
        }
        out.write_char('\n')?;
    }
    if vserver.strict_home_agent {
        out.write_str(" home-agent strict\n")?;
    }
    if vserver.inservice {
        out.write_str(" inservice\n")?;
    }
    Ok(())
}

/// The arguments of `virtual`.
impl fmt::Display for VirtualConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network.addr())?;
        if self.network.prefix_len() != 32 {
            write!(f, " {}", self.network.netmask())?;
        }
        f.write_str(match self.protocol {
            Transport::Udp => " udp ",
            Transport::Tcp => " tcp ",
        })?;
        match self.port {
            0 => f.write_str("any")?,
            port => write!(f, "{port}")?,
        }
        match self.service {
            ServiceKind::IpMobile => f.write_str(" service ipmobile"),
        }
    }
}
