use std::net::Ipv4Addr;

use common::slb::ClientRule;

use super::*;
use crate::command::{ConfigWriter, Secrets};

fn name(text: &str) -> ObjectName {
    text.parse().unwrap()
}

#[test]
fn everything_prints_in_its_order() {
    let mut slb = SlbConfig::default();
    slb.probes.push(ProbeConfig::new(name("echo"), ProbeKind::Ping));
    slb.probes.push(ProbeConfig {
        interval: 2,
        timeout: Some(1),
        faildetect: 4,
        retry: 1,
        address: Some(Ipv4Addr::new(10, 9, 9, 9)),
        port: Some(99),
        ..ProbeConfig::new(name("open"), ProbeKind::Tcp)
    });
    let exchange = |request| ProbeKind::CustomUdp(Exchange { request, ..Exchange::default() });
    let register = |nai: Option<&str>| UdpRequest::MobileIp { nai: nai.map(str::to_owned) };
    slb.probes.push(ProbeConfig::new(name("plain"), exchange(Some(register(None)))));
    slb.probes.push(ProbeConfig::new(name("named"), exchange(Some(register(Some("p@r"))))));
    let pieces = [(20, vec![0xab]), (0, vec![1, 2])].into();
    slb.probes.push(ProbeConfig::new(
        name("bytes"),
        ProbeKind::CustomUdp(Exchange {
            request: Some(UdpRequest::Data(pieces)),
            responses: [(7, Bytes { offset: 3, bytes: vec![0xff] })].into(),
        }),
    ));
    let farm = slb.farm_entry(&name("hafarm"));
    farm.probes = vec![name("plain"), name("echo")];
    farm.nat_server = true;
    farm.nat_client = Some("POOL".into());
    farm.predictor = PredictorConfig::LeastConns;
    farm.bindid = 65533;
    farm.purge = true;
    let real = farm.real_entry(Ipv4Addr::new(10, 1, 1, 51), Some(4434));
    real.weight = 1;
    real.reassign = Reassign::Never;
    real.faildetect = FailDetect { numconns: 4, numclients: 1, inband: false };
    real.maxconns = 100;
    real.retry = 5;
    real.inservice = true;
    let real = farm.real_entry(Ipv4Addr::new(10, 1, 1, 52), None);
    real.reassign = Reassign::After(7);
    real.faildetect.numconns = 9;
    farm.real_entry(Ipv4Addr::new(10, 1, 1, 51), Some(4434)).retry = 6;
    let vserver = slb.vserver_entry(&name("MipsLb"));
    vserver.address = Some(VirtualConfig {
        network: "10.1.1.0/28".parse().unwrap(),
        protocol: Transport::Udp,
        port: 0,
        service: ServiceKind::IpMobile,
    });
    vserver.farm = Some(FarmChoice { primary: name("HAFARM"), backup: Some(name("spare")) });
    vserver.clients = vec![
        ClientRule { network: "15.0.0.0/8".parse().unwrap(), exclude: false },
        ClientRule { network: "15.1.1.0/24".parse().unwrap(), exclude: true },
    ];
    vserver.idle_request = 300;
    vserver.sticky =
        Some(Sticky { seconds: 60, group: Some(1), netmask: Some(Ipv4Addr::new(255, 255, 255, 0)) });
    vserver.synguard = Some(SynGuard { count: 10, interval: 200 });
    vserver.replicate = Some(Replicate {
        local: Ipv4Addr::new(1, 1, 1, 1),
        remote: Ipv4Addr::new(1, 1, 1, 2),
        port: 4231,
        interval: None,
    });
    vserver.strict_home_agent = true;
    vserver.client_rate = Some(500);
    vserver.inservice = true;
    let mut out = ConfigWriter::new(Secrets::Clear);
    slb.print(&mut out);
    let text = out.finish();
    let expected = "\
ip slb probe ECHO ping
!
ip slb probe OPEN tcp
 address 10.9.9.9 routed
 interval 2
 timeout 1
 faildetect 4
 retry 1
 port 99
!
ip slb probe PLAIN custom udp
 request mobile-ip
!
ip slb probe NAMED custom udp
 request mobile-ip nai p@r
!
ip slb probe BYTES custom udp
 request data 0 0102
 request data 20 AB
 response 7 data 3 FF
!
ip slb serverfarm HAFARM
 nat server
 nat client POOL
 predictor leastconns
 bindid 65533
 probe PLAIN
 probe ECHO
 failaction purge
 real 10.1.1.51 4434
  weight 1
  no reassign
  faildetect numconns 4 numclients 1
  no faildetect inband
  maxconns 100
  retry 6
  inservice
 !
 real 10.1.1.52
  reassign 7
  faildetect numconns 9
!
ip slb vserver MIPSLB
 virtual 10.1.1.0 255.255.255.240 udp any service ipmobile
 serverfarm HAFARM backup SPARE
 client 15.0.0.0 255.0.0.0
 client 15.1.1.0 255.255.255.0 exclude
 client-rate 500
 idle ipmobile request 300
 sticky 60 group 1 netmask 255.255.255.0
 synguard 10 200
 replicate casa 1.1.1.1 1.1.1.2 4231
 home-agent strict
 inservice
!
";
    assert_eq!(text, expected);
    assert!(slb.is_farm_used(&name("spare")) && slb.is_farm_in_service(&name("hafarm")));
}
