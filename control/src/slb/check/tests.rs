use super::*;
use crate::slb::config::{FarmChoice, Reassign, Replicate, Sticky, SynGuard, VirtualConfig};

fn name(text: &str) -> ObjectName {
    text.parse().unwrap()
}

fn virtual_address(network: &str, protocol: Transport) -> VirtualConfig {
    VirtualConfig { network: network.parse().unwrap(), protocol, port: 434, service: ServiceKind::IpMobile }
}

/// The guide's dispatched example with an interface on the same subnet.
fn sample() -> (SlbConfig, Vec<Ipv4Net>) {
    let mut slb = SlbConfig::default();
    let farm = slb.farm_entry(&name("HAFARM"));
    for last in [51, 52] {
        farm.real_entry(Ipv4Addr::new(10, 1, 1, last), None).inservice = true;
    }
    let vserver = slb.vserver_entry(&name("MIPSLB"));
    vserver.address = Some(virtual_address("10.1.1.10/32", Transport::Udp));
    vserver.farm = Some(FarmChoice { primary: name("HAFARM"), backup: None });
    vserver.inservice = true;
    (slb, vec!["10.1.1.1/24".parse().unwrap()])
}

/// The refusal of the sample after `change`, as the terminal shows it; put out of service it must pass.
fn refused(change: impl FnOnce(&mut SlbConfig)) -> String {
    let (mut slb, interfaces) = sample();
    change(&mut slb);
    let refusal = check(&slb, &interfaces).unwrap_err();
    for vserver in &mut slb.vservers {
        vserver.inservice = false;
    }
    assert!(check(&slb, &interfaces).is_ok(), "{refusal} without anything in service");
    SlbLine(refusal).to_string()
}

fn vserver(slb: &mut SlbConfig) -> &mut VserverConfig {
    slb.vserver_entry(&name("MIPSLB"))
}

#[test]
fn the_sample_passes_without_a_warning() {
    let (slb, interfaces) = sample();
    assert_eq!(check(&slb, &interfaces), Ok(vec![]));
}

#[test]
fn each_refusal_at_inservice_has_its_text() {
    assert_eq!(
        refused(|slb| vserver(slb).address = None),
        "% SLB: virtual server MIPSLB has no virtual address"
    );
    assert_eq!(refused(|slb| vserver(slb).farm = None), "% SLB: virtual server MIPSLB has no server farm");
    assert_eq!(refused(|slb| slb.farms.clear()), "% SLB: virtual server MIPSLB has no server farm");
    assert_eq!(
        refused(|slb| vserver(slb).farm.as_mut().unwrap().backup = Some(name("NONE"))),
        "% SLB: virtual server MIPSLB has no server farm"
    );
    assert_eq!(
        refused(|slb| {
            let mut twin = vserver(slb).clone();
            twin.name = name("TWIN");
            slb.vservers.push(twin);
        }),
        "% SLB: virtual address 10.1.1.10:434 is in use by MIPSLB"
    );
    assert_eq!(
        refused(|slb| vserver(slb).address = Some(virtual_address("10.1.1.10/32", Transport::Tcp))),
        "% SLB: service ipmobile requires udp"
    );
    assert_eq!(
        refused(|slb| slb.farms[0].predictor = PredictorConfig::LeastConns),
        "% SLB: predictor leastconns is not supported with service ipmobile"
    );
    assert_eq!(
        refused(|slb| slb.farms[0].nat_client = Some("POOL".into())),
        "% SLB: client NAT is not supported with service ipmobile"
    );
    assert_eq!(
        refused(|slb| vserver(slb).sticky = Some(Sticky { seconds: 60, group: None, netmask: None })),
        "% SLB: sticky is not supported with service ipmobile"
    );
    assert_eq!(
        refused(|slb| vserver(slb).synguard = Some(SynGuard { count: 1, interval: 100 })),
        "% SLB: synguard is not supported with service ipmobile"
    );
    assert_eq!(
        refused(|slb| {
            let ip = Ipv4Addr::LOCALHOST;
            vserver(slb).replicate = Some(Replicate { local: ip, remote: ip, port: 1, interval: None });
        }),
        "% SLB: replicate is not supported with service ipmobile"
    );
    assert_eq!(
        refused(|slb| vserver(slb).address = Some(virtual_address("10.1.1.1/32", Transport::Udp))),
        "% SLB: virtual address 10.1.1.1 is an interface address"
    );
    assert_eq!(
        refused(|slb| vserver(slb).address = Some(virtual_address("10.1.1.52/32", Transport::Udp))),
        "% SLB: real 10.1.1.52 is a virtual address"
    );
}

#[test]
fn backups_are_checked_like_primaries() {
    let backup = |slb: &mut SlbConfig| {
        slb.farm_entry(&name("SPARE")).predictor = PredictorConfig::LeastConns;
        vserver(slb).farm.as_mut().unwrap().backup = Some(name("SPARE"));
    };
    assert_eq!(refused(backup), "% SLB: predictor leastconns is not supported with service ipmobile");
}

#[test]
fn a_real_behind_a_router_is_warned_of_in_dispatched_mode_only() {
    let (mut slb, interfaces) = sample();
    slb.farms[0].real_entry(Ipv4Addr::new(20, 1, 1, 51), None);
    let warnings = check(&slb, &interfaces).unwrap();
    let lines: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["real 20.1.1.51 is not directly connected; dispatched mode needs layer 2 adjacency"]);
    slb.farms[0].nat_server = true;
    assert_eq!(check(&slb, &interfaces), Ok(vec![]));
    slb.farms[0].reals[0].reassign = Reassign::After(5);
    assert_eq!(check(&slb, &interfaces).unwrap().len(), 1, "above the range of IOS");
}

#[test]
fn a_port_of_a_real_needs_directed_mode_even_out_of_service() {
    let (mut slb, interfaces) = sample();
    slb.vservers.clear();
    slb.farms[0].real_entry(Ipv4Addr::new(10, 1, 1, 53), Some(4434));
    let refusal = check(&slb, &interfaces).unwrap_err();
    assert_eq!(SlbLine(refusal).to_string(), "% SLB: real 10.1.1.53 has a port; a port needs nat server");
}

#[test]
fn probes_are_checked_when_they_are_used() {
    use crate::slb::config::{Bytes, Exchange, ProbeKind, UdpRequest};
    let with = |probe: ProbeConfig| {
        let (mut slb, interfaces) = sample();
        slb.farms[0].probes.push(probe.name.clone());
        slb.probes.push(probe);
        (slb, interfaces)
    };
    let exchange = |request, responses| {
        ProbeConfig::new(name("P"), ProbeKind::CustomUdp(Exchange { request, responses }))
    };
    let registration = || Some(UdpRequest::MobileIp { nai: None });
    let text = |(slb, interfaces): (SlbConfig, Vec<Ipv4Net>)| {
        check(&slb, &interfaces).err().map(|refusal| refusal.to_string())
    };
    assert_eq!(text(with(ProbeConfig::new(name("P"), ProbeKind::Ping))), None);
    assert_eq!(text(with(exchange(registration(), [].into()))), None);
    assert_eq!(text(with(exchange(None, [].into()))).unwrap(), "probe P has no request");
    let clause = [(1, Bytes { offset: 0, bytes: vec![3] })].into();
    assert_eq!(
        text(with(exchange(registration(), clause))).unwrap(),
        "probe P asks for a registration: any reply is its answer, without response"
    );
    let timeout = ProbeConfig { timeout: Some(11), ..ProbeConfig::new(name("P"), ProbeKind::Ping) };
    assert_eq!(text(with(timeout)).unwrap(), "timeout 11 of probe P is longer than its interval 10");
    let (mut slb, interfaces) = with(ProbeConfig::new(name("P"), ProbeKind::Tcp));
    slb.vservers[0].address.as_mut().unwrap().port = 0;
    assert_eq!(check(&slb, &interfaces), Err(Refusal::NoPort(name("P"))));
    slb.probes[0].port = Some(22);
    assert!(check(&slb, &interfaces).is_ok());
    let script = crate::slb::config::Script { file: "a.sh".parse().unwrap(), arguments: Vec::new() };
    slb.probes[0] = ProbeConfig::new(name("P"), ProbeKind::Script(Some(script)));
    assert_eq!(check(&slb, &interfaces), Ok(Vec::new()), "a script may do without a port");
    slb.probes[0].kind = ProbeKind::Script(None);
    assert_eq!(check(&slb, &interfaces), Err(Refusal::NoScript(name("P"))));
    slb.probes.clear();
    assert_eq!(check(&slb, &interfaces), Err(Refusal::NoProbe(name("P"))));
    let many = (0..=MAX_PROBES).map(|i| ProbeConfig::new(name(&format!("P{i}")), ProbeKind::Ping));
    slb.probes = many.collect();
    assert_eq!(check(&slb, &interfaces), Err(Refusal::TooManyProbes));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut slb = SlbConfig::default();
    let farm = slb.farm_entry(&name("BIG"));
    for i in 0..=MAX_REALS as u32 {
        farm.reals.push(crate::slb::config::RealConfig::new(Ipv4Addr::from(0x0a00_0000 + i), None));
    }
    assert_eq!(check(&slb, &[]), Err(Refusal::TooManyReals));
    slb.farms[0].reals.pop();
    assert!(check(&slb, &[]).is_ok(), "as many as there may be");
    for i in 1..=MAX_FARMS {
        slb.farm_entry(&name(&format!("FARM{i}")));
    }
    assert_eq!(check(&slb, &[]), Err(Refusal::TooManyFarms));
    slb.farms.pop();
    assert!(check(&slb, &[]).is_ok());
    for i in 0..=MAX_VSERVERS {
        slb.vserver_entry(&name(&format!("SERVER{i}")));
    }
    assert_eq!(check(&slb, &[]), Err(Refusal::TooManyVservers));
    slb.vservers.pop();
    assert!(check(&slb, &[]).is_ok());
}

#[test]
fn virtual_and_serverfarm_are_fixed_while_in_service() {
    let (slb, _) = sample();
    let old = &slb.vservers[0];
    let mut new = old.clone();
    new.idle_request = 20;
    assert!(!changed_in_service(old, &new));
    new.farm = None;
    assert!(changed_in_service(old, &new));
    let out = VserverConfig { inservice: false, ..old.clone() };
    assert!(!changed_in_service(&out, &new));
    assert_eq!(
        SlbLine(Refusal::MustBeOut(old.name.clone())).to_string(),
        "% SLB: virtual server MIPSLB must be out of service"
    );
    let wide = virtual_address("10.1.0.0/16", Transport::Udp);
    assert_eq!(check_virtual(&wide), Err(Refusal::RangeTooLarge));
}
