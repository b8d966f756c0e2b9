//! What probes can be refused for.

use super::{MAX_PROBES, Refusal};
use crate::slb::config::{FarmConfig, ProbeConfig, ProbeKind, SlbConfig, UdpRequest};

/// Checks probes, and that those in use can be sent.
pub(super) fn check(slb: &SlbConfig) -> Result<(), Refusal> {
    if slb.probes.len() > MAX_PROBES {
        return Err(Refusal::TooManyProbes);
    }
    slb.probes.iter().try_for_each(check_probe)?;
    for farm in &slb.farms {
        let in_service = slb.is_farm_in_service(&farm.name);
        for name in &farm.probes {
            let probe = slb.probe(name).ok_or_else(|| Refusal::NoProbe(name.clone()))?;
            if in_service {
                check_use(slb, farm, probe)?;
            }
        }
    }
    Ok(())
}

fn check_use(slb: &SlbConfig, farm: &FarmConfig, probe: &ProbeConfig) -> Result<(), Refusal> {
    if matches!(&probe.kind, ProbeKind::CustomUdp(exchange) if exchange.request.is_none()) {
        return Err(Refusal::NoRequest(probe.name.clone()));
    }
    if probe.kind == ProbeKind::Script(None) {
        return Err(Refusal::NoScript(probe.name.clone()));
    }
    if farm.reals.iter().any(|real| slb.probed(probe, farm, real).is_none()) {
        return Err(Refusal::NoPort(probe.name.clone()));
    }
    Ok(())
}

fn check_probe(probe: &ProbeConfig) -> Result<(), Refusal> {
    let name = probe.name.clone();
    if let Some(timeout) = probe.timeout.filter(|timeout| *timeout > probe.interval) {
        return Err(Refusal::TimeoutTooLong { name, timeout, interval: probe.interval });
    }
    match &probe.kind {
        ProbeKind::CustomUdp(exchange)
            if matches!(exchange.request, Some(UdpRequest::MobileIp { .. }))
                && !exchange.responses.is_empty() =>
        {
            Err(Refusal::ResponseToRegistration(name))
        }
        _ => Ok(()),
    }
}
