//! The scenarios that come with the program.

/// Name and text of each.
pub const ALL: &[(&str, &str)] = &[
    ("foreign-agent", include_str!("../scenarios/foreign-agent.toml")),
    ("home-agents", include_str!("../scenarios/home-agents.toml")),
    ("capture", include_str!("../scenarios/capture.toml")),
    ("bare-metal", include_str!("../scenarios/bare-metal.toml")),
    ("storm", include_str!("../scenarios/storm.toml")),
    ("throughput", include_str!("../scenarios/throughput.toml")),
    ("mixed", include_str!("../scenarios/mixed.toml")),
    ("latency", include_str!("../scenarios/latency.toml")),
    ("sessions", include_str!("../scenarios/sessions.toml")),
    ("soak", include_str!("../scenarios/soak.toml")),
];

/// The text of the one of that name.
pub fn find(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The first sentence of its comment.
pub fn about(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("# "));
    let comment = lines.collect::<Vec<_>>().join(" ");
    comment
        .split_inclusive(['.', ';', ':', '?'])
        .next()
        .unwrap_or_default()
        .trim_end_matches([';', ':'])
        .into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{check, scenario::Scenario};

    #[test]
    fn every_scenario_can_be_used_and_those_with_a_question_be_measured() {
        for (name, text) in ALL {
            let scenario = Scenario::parse(Path::new(name), text).unwrap();
            assert_eq!(
                scenario.mode.is_some(),
                text.starts_with("# How") || text.starts_with("# Does"),
                "{name}"
            );
            if scenario.mode.is_some() {
                check::measuring(&scenario).unwrap();
            }
        }
    }

    #[test]
    fn every_scenario_says_what_it_is() {
        for (name, text) in ALL {
            let about = about(text);
            assert!((20..100).contains(&about.len()) && find(name) == Some(text), "{name}: {about}");
        }
        assert_eq!(about("# A thing. Another.\n#\n# Third."), "A thing.");
    }
}
