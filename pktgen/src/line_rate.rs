//! The line rate: what a share of it is in frames a second.

use common::{id::PortId, port::PortControl};

use crate::{
    check::FieldError,
    scenario::{Port, Scenario},
    template,
};

/// Bits that a frame takes on an Ethernet wire beyond its own: FCS, preamble and the gap between frames.
const OVERHEAD: u32 = 4 + 8 + 12;
/// Smallest frame without FCS.
const SMALLEST: u32 = 60;

/// Frames a second that fill a link of `mbps` Mbit/s with frames of `bytes` bytes (without FCS).
fn frames_per_second(mbps: u32, bytes: u32) -> f64 {
    f64::from(mbps) * 1e6 / (8.0 * f64::from(bytes.max(SMALLEST) + OVERHEAD))
}

/// Speed of the first port's link in Mbit/s: what the scenario says, else what the device says. `None`: neither does.
pub fn speed(port: &Port, control: &dyn PortControl) -> Option<u32> {
    port.speed_mbps.or_else(|| Some(control.link(PortId(0)).speed_mbps)).filter(|mbps| *mbps > 0)
}

/// Frames a second that fill a link of `mbps` Mbit/s with the scenario's requests; `None` if the speed is not known or
/// nothing is sent.
pub fn rate(scenario: &Scenario, mbps: Option<u32>) -> Option<f64> {
    let nodes = scenario.nodes.as_ref()?;
    let bytes = scenario
        .request
        .frame_size
        .map_or_else(|| template::frame_length(scenario, nodes.nai.length(nodes.first)) as u32, u32::from);
    Some(frames_per_second(mbps?, bytes))
}

/// A share of the line rate becomes the rate of `[traffic]`.
pub fn resolve(scenario: &mut Scenario, line: Option<f64>) -> Result<(), FieldError> {
    if let Some(share) = scenario.traffic.line {
        let Some(line) = line else {
            let reason = "the device does not say how fast its link is: port.speed_mbps is needed".into();
            return Err(FieldError { field: "traffic.line".into(), reason });
        };
        scenario.traffic.rate = share * line;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn scenario(line: &str) -> Scenario {
        let text = format!(
            "[nodes]\nnai = \"u{{n}}@r\"\ncount = 1\n[request]\nframe_size = 226\n[traffic]\nrate = 7\n{line}"
        );
        Scenario::parse(Path::new("test"), &text).unwrap()
    }

    #[test]
    fn a_share_of_the_line_replaces_the_rate() {
        let mut scenario = scenario("line = 0.5");
        // 226 bytes and 24 around them on 1000 Mbit/s.
        let line = rate(&scenario, Some(1000));
        assert_eq!(line, Some(500_000.0));
        resolve(&mut scenario, line).unwrap();
        assert_eq!(scenario.traffic.rate_schedule().rate, Some(250_000.0));
    }

    #[test]
    fn a_share_of_a_line_that_nobody_knows_is_refused_and_no_share_needs_none() {
        let mut shared = scenario("line = 0.5");
        let line = rate(&shared, None);
        let problem = resolve(&mut shared, line).unwrap_err();
        assert!(problem.field == "traffic.line" && problem.reason.contains("port.speed_mbps"), "{problem:?}");
        let mut plain = scenario("");
        resolve(&mut plain, None).unwrap();
        assert_eq!(plain.traffic.rate_schedule().rate, Some(7.0));
    }

    #[test]
    fn a_link_holds_as_many_frames_as_the_standard_says() {
        // 64 bytes with FCS at 10 Gbit/s: 14.88 million; 1518 bytes at 1 Gbit/s: 81274 (RFC 2544, appendix B).
        assert_eq!(frames_per_second(10_000, 60) as u64, 14_880_952);
        assert_eq!(frames_per_second(1000, 1514) as u64, 81_274);
        assert_eq!(frames_per_second(10_000, 20) as u64, 14_880_952, "short frames are padded");
    }
}
