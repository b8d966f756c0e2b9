//! The line rate: what a share of it is in frames a second.

use common::{id::PortId, port::PortControl};

use crate::{
    check::Problem,
    pace,
    scenario::{Port, Scenario},
    template,
};

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
    Some(pace::line_rate(mbps?, bytes))
}

/// A share of the line rate becomes the rate of `[traffic]`.
pub fn resolve(scenario: &mut Scenario, line: Option<f64>) -> Result<(), Problem> {
    if let Some(share) = scenario.traffic.line {
        let Some(line) = line else {
            let reason = "the device does not say how fast its link is: port.speed_mbps is needed".into();
            return Err(Problem { field: "traffic.line".into(), reason });
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
        assert_eq!(scenario.traffic.pace().rate, Some(250_000.0));
    }

    #[test]
    fn a_share_of_a_line_that_nobody_knows_is_refused_and_no_share_needs_none() {
        let mut shared = scenario("line = 0.5");
        let line = rate(&shared, None);
        let problem = resolve(&mut shared, line).unwrap_err();
        assert!(problem.field == "traffic.line" && problem.reason.contains("port.speed_mbps"), "{problem:?}");
        let mut plain = scenario("");
        resolve(&mut plain, None).unwrap();
        assert_eq!(plain.traffic.pace().rate, Some(7.0));
    }
}
